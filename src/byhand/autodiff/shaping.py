"""Functions that move elements about: reshape, transpose, roll, repeat, pad, ...

Whatever such a function does, doing it to the elements' positions says where each one went. Let
P = f(1, 2, 3, ...), with 0 for a number that did not come from x. Then

    yₖ = x[Pₖ]          x̄ᵢ = Σ ȳₖ over all k with Pₖ = i

so that one line of code is the derivative of all of them. The few that a network uses in every
step have theirs written out, which is faster.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from byhand.autodiff.refusal import refuse
from byhand.autodiff.rules import Rule, composite, primitive, view
from byhand.autodiff.tape import Array


def move(
    function: Callable[..., Array], x: Array, *args: Any, **kwargs: Any
) -> tuple[Array, tuple[Callable[[Array], Array]]]:
    """A rule for function(x, *args, **kwargs) that only moves elements of x."""

    def pull(g: Array) -> Array:
        places = function(np.arange(1, x.size + 1).reshape(x.shape), *args, **kwargs)
        sums = np.bincount(np.ravel(places), np.ravel(g), x.size + 1)
        return sums[1:].reshape(x.shape)

    return function(x, *args, **kwargs), (pull,)


def moves(function: Callable[..., Any]) -> Rule:
    return lambda x, *args, **kwargs: move(function, x, *args, **kwargs)


_VIEWS = "swapaxes moveaxis rollaxis expand_dims flip fliplr flipud rot90"
_COPIES = "roll repeat tile delete tril triu diag diagonal diagflat broadcast_to take resize"
for name in _VIEWS.split():
    view(name)(moves(getattr(np, name)))
for name in _COPIES.split():
    primitive(name)(moves(getattr(np, name)))
primitive("lib.stride_tricks.sliding_window_view")(moves(np.lib.stride_tricks.sliding_window_view))
primitive("take_along_axis")(moves(np.take_along_axis))


@view("reshape")
def reshape(
    a: Any, /, shape: Any = None, order: Any = "C", *, newshape: Any = None, copy: Any = None
) -> Any:
    shape = newshape if shape is None else shape
    return np.reshape(a, shape, order=order), (lambda g: np.reshape(g, a.shape, order=order),)


@view("ravel")
def ravel(a: Any, order: Any = "C") -> Any:
    return np.ravel(a, order), (lambda g: np.reshape(g, a.shape, order=order),)


@view("squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    return np.squeeze(a, axis), (lambda g: np.reshape(g, a.shape),)


@view("transpose")
def transpose(a: Any, axes: Any = None) -> Any:
    back = None if axes is None else np.argsort([axis % a.ndim for axis in axes])
    return np.transpose(a, axes), (lambda g: np.transpose(g, back),)


view("matrix_transpose", "linalg.matrix_transpose")(moves(lambda x: np.swapaxes(x, -1, -2)))


@primitive("pad")
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise refuse(f"np.pad with mode={mode!r}", advice="pad with mode='edge' or 'constant'")
    _, (pull,) = move(np.pad, array, pad_width, mode)
    return np.pad(array, pad_width, mode, **options), (pull,)


@composite("compress")
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    chosen = np.flatnonzero(condition)
    return np.take(a, chosen, axis)


@composite("extract")
def extract(condition: Any, arr: Any) -> Any:
    return np.ravel(arr)[np.flatnonzero(condition)]


@composite("apply_along_axis")
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    lines = np.moveaxis(arr, axis, -1)
    done = [func1d(line, *args, **kwargs) for line in np.reshape(lines, (-1, lines.shape[-1]))]
    result = np.stack(done)
    result = np.reshape(result, lines.shape[:-1] + result.shape[1:])
    return np.moveaxis(result, -1, axis) if result.ndim == arr.ndim else result


@composite("diff")
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        last = np.moveaxis(a, axis, -1)
        a = np.moveaxis(last[..., 1:] - last[..., :-1], -1, axis)
    return a


# --------------------------------------------------------------------- cutting and joining


@composite("array_split")
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    cuts = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
    before = (slice(None),) * (axis % ary.ndim)
    starts = np.cumsum([0, *(len(cut) for cut in cuts)])
    if np.ndim(indices_or_sections) > 0:
        return [
            ary[(*before, slice(a, b))]
            for a, b in zip([0, *indices_or_sections], [*indices_or_sections, None], strict=True)
        ]
    return [ary[(*before, slice(a, b))] for a, b in itertools.pairwise(starts)]


@composite("split")
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@composite("vsplit")
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 0)


@composite("hsplit")
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@primitive("concatenate")
def concatenate(
    arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    parts = [np.ravel(a) for a in arrays] if axis is None else arrays
    along = 0 if axis is None else axis
    ends = np.cumsum([np.shape(part)[along] for part in parts])

    def pullback(i: int) -> Callable[[Array], Array]:
        return lambda g: np.split(g, ends[:-1], along)[i].reshape(np.shape(arrays[i]))

    y = np.concatenate(parts, along, dtype=dtype, casting=casting)
    return y, ([pullback(i) for i in range(len(arrays))],)


@primitive("stack")
def stack(arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    def pullback(i: int) -> Callable[[Array], Array]:
        return lambda g: np.take(g, i, axis)

    y = np.stack(arrays, axis, dtype=dtype, casting=casting)
    return y, ([pullback(i) for i in range(len(arrays))],)


def _at_least(ndim: int, shape: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Rule:
    def rule(*arys: Any) -> Any:
        grown = tuple(a if np.ndim(a) >= ndim else np.reshape(a, shape(np.shape(a))) for a in arys)
        return grown[0] if len(grown) == 1 else grown

    return rule


composite("atleast_1d")(_at_least(1, lambda shape: (1,)))
composite("atleast_2d")(_at_least(2, lambda shape: (1, *shape) if shape else (1, 1)))
composite("atleast_3d")(
    _at_least(3, lambda shape: (1, *shape, 1) if len(shape) == 1 else (*shape, 1, 1, 1)[:3])
)


@composite("vstack")
def vstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_2d(a) for a in tup], axis=0)


@composite("hstack")
def hstack(tup: Any) -> Any:
    parts = [np.atleast_1d(a) for a in tup]
    return np.concatenate(parts, axis=0 if parts[0].ndim == 1 else 1)


@composite("dstack")
def dstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(a) for a in tup], axis=2)


@composite("column_stack")
def column_stack(tup: Any) -> Any:
    return np.concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], axis=1)


@composite("append")
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


@composite("select")
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = np.where(condition, choice, result)
    return result
