"""Reading and writing elements.

y = x[key]                  x̄ = 0 but x̄[key] += ȳ
y = x with y[key] = v       x̄ = ȳ but x̄[key] = 0        v̄ = ȳ[key]
y = x with y[key] += v      x̄ = ȳ                        v̄ = ȳ[key]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.autodiff.rules import composite, primitive, view
from byhand.autodiff.tape import Array


@view("getitem")
def getitem(x: Any, key: Any) -> Any:
    y = x[key]

    def pull(g: Array) -> Array:
        gradient: Array = np.zeros_like(x)
        np.add.at(gradient, key, g)  # with a list of indices, one element may have been read twice
        return gradient

    def pull_view(g: Array) -> Array:
        gradient: Array = np.zeros_like(x)
        gradient[key] = g
        return gradient

    return y, (pull_view if _each_once(key) else pull,)


def _each_once(key: Any) -> bool:
    """Integers, slices, ... and masks reach each element once."""
    keys = key if isinstance(key, tuple) else (key,)
    simple = (int, np.integer, slice, type(None), type(...))
    return all(isinstance(k, simple) for k in keys) or (
        isinstance(key, np.ndarray) and key.dtype == bool
    )


@primitive("setitem")
def setitem(x: Any, key: Any, value: Any) -> Any:
    y = np.array(x, order="K")
    y[key] = value
    if _each_once(key):
        kept: Any = True
    else:
        # Of several values written to one place the last stays, and has the gradient.
        writer = np.zeros(x.shape, np.int64)
        numbers = np.arange(writer[key].size).reshape(writer[key].shape)
        writer[key] = numbers
        kept = writer[key] == numbers

    def pull_x(g: Array) -> Array:
        gradient = np.array(g)
        gradient[key] = 0
        return gradient

    return y, (pull_x, None, lambda g: np.where(kept, g[key], 0))


@primitive("put")
def put(x: Any, positions: Any, part: Any) -> Any:
    """x with the elements at these positions, in row order, replaced: a write through a view."""
    y = np.array(x, order="K")
    y.flat[np.ravel(positions)] = np.ravel(part)

    def pull_x(g: Array) -> Array:
        gradient = np.array(g)
        gradient.flat[np.ravel(positions)] = 0
        return gradient

    return y, (pull_x, None, lambda g: np.ravel(g)[positions])


@primitive("add.at")
def add_at(x: Any, indices: Any, b: Any) -> Any:
    y = np.array(x, order="K")
    np.add.at(y, indices, b)
    return y, (lambda g: g, None, lambda g: g[indices])


@composite("copyto")
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    dst[...] = src if where is True else np.where(where, src, dst)


@composite("zeros_like")
def zeros_like(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    return filled(a, 0.0, dtype, kwargs.get("shape"))


@composite("empty_like")
def empty_like(prototype: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    return filled(prototype, 0.0, dtype, kwargs.get("shape"))


@composite("ones_like")
def ones_like(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    return filled(a, 1.0, dtype, kwargs.get("shape"))


@composite("full_like")
def full_like(a: Any, fill_value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    return filled(a, fill_value, dtype, kwargs.get("shape"))


def filled(like: Any, number: Any, dtype: Any, shape: Any) -> Any:
    """A new array of one number. Of floating-point numbers it is a Variable: it can be written."""
    from byhand.autodiff.dispatch import constant

    base = np.empty(like.shape if shape is None else shape, dtype or like.dtype)
    if base.dtype.kind != "f":
        base[...] = number
        return base
    made = constant(base)
    made[...] = number
    return made
