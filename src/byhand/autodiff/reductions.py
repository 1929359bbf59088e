"""Sums, products and extremes along axes. Going back, one number is handed to all it came from.

y = Σᵢ xᵢ          x̄ᵢ = ȳ
y = maxᵢ xᵢ        x̄ᵢ = ȳ where xᵢ is the greatest; equal ones share it
y = Πᵢ xᵢ          x̄ᵢ = ȳ Πⱼ≠ᵢ xⱼ
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from byhand.autodiff.refusal import refuse
from byhand.autodiff.rules import Rule, composite, primitive
from byhand.autodiff.state import decided
from byhand.autodiff.tape import Array


def spread(g: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    """g, the gradient of a reduction of x, as a view of x's shape."""
    if not keepdims and axis is not None:
        axes = axis if isinstance(axis, tuple) else (axis,)
        g = np.expand_dims(g, tuple(a % x.ndim for a in axes))
    elif axis is None:
        g = np.reshape(g, (1,) * x.ndim)
    return np.broadcast_to(g, x.shape)


@primitive("sum")
def sum_(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, where: Any = True
) -> Any:
    y = np.sum(a, axis, dtype=dtype, keepdims=keepdims, where=where)
    return y, (lambda g: np.where(where, spread(g, a, axis, keepdims), 0),)


@primitive("mean")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    y = np.mean(a, axis, dtype=dtype, keepdims=keepdims, where=where)
    count = np.sum(np.broadcast_to(where, a.shape), axis, keepdims=keepdims)
    return y, (lambda g: np.where(where, spread(g / count, a, axis, keepdims), 0),)


@primitive("var")
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    correction: Any = 0,
) -> Any:
    y = np.var(a, axis, dtype=dtype, ddof=ddof + correction, keepdims=keepdims)
    free = a.size / np.size(y) - ddof - correction
    deviation = a - a.mean(axis, keepdims=True)
    return y, (lambda g: spread(g, a, axis, keepdims) * deviation * 2 / free,)


@composite("std")
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    correction: Any = 0,
) -> Any:
    return np.sqrt(np.var(a, axis, dtype=dtype, ddof=ddof + correction, keepdims=keepdims))


def _extreme(reduce: Callable[..., Any]) -> Rule:
    def rule(
        a: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:
        given = {} if initial is None else {"initial": initial}
        y = reduce(a, axis, keepdims=keepdims, where=where, **given)
        won = np.equal(a, spread(y, a, axis, keepdims)) & where
        decided(reduce.__name__, won)
        ties = np.maximum(np.sum(won, axis, keepdims=True), 1)
        return y, (lambda g: spread(g, a, axis, keepdims) * won / ties,)

    return rule


primitive("max", "amax")(_extreme(np.max))
primitive("min", "amin")(_extreme(np.min))


def _lines(x: Array, axis: Any) -> tuple[Array, Callable[[Array], Array]]:
    """x with the axes of `axis` made into a last one; and the way back."""
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % x.ndim
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    moved = x.transpose(order)
    kept = moved.shape[: x.ndim - len(list(axes))]

    def back(lines: Array) -> Array:
        return lines.reshape(moved.shape).transpose(np.argsort(order))

    return moved.reshape((*kept, -1)), back


@primitive("prod")
def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    def pull(g: Array) -> Array:
        # The product of the others, also where one of them is zero: what is left times right of it.
        x, back = _lines(a, axis)
        one = np.ones_like(x[..., :1])
        left = np.cumprod(np.concatenate([one, x[..., :-1]], -1), -1)
        right = np.cumprod(np.concatenate([one, x[..., :0:-1]], -1), -1)[..., ::-1]
        return spread(g, a, axis, keepdims) * back(left * right)

    return np.prod(a, axis, dtype=dtype, keepdims=keepdims), (pull,)


@primitive("cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    def pull(g: Array) -> Array:
        g = g.reshape(a.shape) if axis is None and a.ndim != 1 else g
        lines, back = _lines(g, axis)
        return back(np.cumsum(lines[..., ::-1], -1)[..., ::-1])

    return np.cumsum(a, axis, dtype), (pull,)


@primitive("cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    def pull(g: Array) -> Array:
        x, back = _lines(a, axis)
        ends, _ = _lines(g.reshape(a.shape), axis)
        gradient = np.empty_like(x)
        for i in range(x.shape[-1]):
            others = x.copy()
            others[..., i] = 1
            gradient[..., i] = (ends * np.cumprod(others, -1))[..., i:].sum(-1)
        return back(gradient)

    return np.cumprod(a, axis, dtype), (pull,)


@primitive("sort")
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    x = a.ravel() if axis is None else a
    places = np.argsort(x, -1 if axis is None else axis, kind="stable")
    decided("sort", places)

    def pull(g: Array) -> Array:
        gradient: Array = np.empty_like(x)
        np.put_along_axis(gradient, places, g, -1 if axis is None else axis)
        return gradient.reshape(a.shape)

    return np.take_along_axis(x, places, -1 if axis is None else axis), (pull,)


@composite("median")
def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    if isinstance(axis, tuple):
        raise refuse("np.median with several axes")
    whole, along = (np.ravel(a), 0) if axis is None else (a, axis)
    ordered = np.moveaxis(np.sort(whole, along), along, -1)
    n = ordered.shape[-1]
    middle = np.mean(ordered[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    if not keepdims:
        return middle
    return np.reshape(middle, (1,) * a.ndim) if axis is None else np.expand_dims(middle, axis)


@composite("average")
def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return np.mean(a, axis, keepdims=keepdims)
    if np.ndim(weights) == 1 and a.ndim > 1 and axis is not None:
        weights = np.reshape(weights, [-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
    total = np.sum(np.broadcast_to(weights, a.shape), axis, keepdims=keepdims)
    return np.sum(np.multiply(a, weights), axis, keepdims=keepdims) / total


@composite("ptp")
def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


@composite("nansum")
def nansum(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return np.sum(np.where(np.isnan(a), 0.0, a), axis, dtype, keepdims=keepdims)


@composite("nanmean")
def nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return np.mean(a, axis, dtype, keepdims=keepdims, where=~np.isnan(a))
