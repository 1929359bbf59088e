"""Which steps may look at which: what padding and causality are to attention.

A mask is 1 where something may be looked at and 0 where not, or true and false. That of a query and
a key, `allowed`, has the axes [batch, queries, keys], or is as good as one of them by broadcasting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.errors import InputError, ShapeError
from byhand.layers.base import Array, Layer, Shape


def causal(queries: int, keys: int) -> Array:
    """allowed[queries, keys]: each query sees the keys up to its own place, and the last query is
    at the last key. So with more keys than queries the first keys belong to the past.
    """
    return np.tri(queries, keys, keys - queries, dtype=bool)


def masked_softmax(S: Array, allowed: Array) -> Array:
    """p[..., j] = e^S[..., j] / Σ e^S over the allowed keys, and 0 for the others.

    It is softmax with S = −∞ where a key is not allowed. A query that may look at nothing has
    p = 0 everywhere, in place of 0/0.
    """
    top = S.max(axis=-1, keepdims=True, where=allowed, initial=np.finfo(S.dtype).min)
    e = np.exp(np.where(allowed, S - top, -np.inf))
    # The largest allowed S adds e⁰ = 1, so a sum below 1 is that of no key at all.
    p: Array = e / np.maximum(e.sum(axis=-1, keepdims=True), 1)
    return p


def unseen_as_zeros(v: Array, allowed: Array) -> Array:
    """v[..., keys, width] with zeros for the keys that no query may look at.

    Their weight is 0, but 0 · ∞ and 0 · NaN are NaN.
    """
    seen = np.any(allowed, axis=-2, keepdims=True).swapaxes(-1, -2)
    zeroed: Array = np.where(seen, v, 0)
    return zeroed


def as_mask(layer: Layer, mask: Any, shape: Shape, symbol: str, of: str) -> Array:
    """A mask as true and false, of the shape that belongs to `of`, such as "x has [batch, time]".

    Raises      ShapeError, InputError
    """
    mask = np.asarray(mask)
    if mask.shape != shape:
        raise ShapeError(
            f"{layer}: {symbol} has shape {mask.shape}, {of} = {shape} ({layer.equation})"
        )
    wrong = mask[(mask != 0) & (mask != 1)]
    if wrong.size:
        raise InputError(
            f"{layer}: {symbol} is 1 where a step is real and 0 where it is padding, found "
            f"{wrong[0]} ({layer.equation})"
        )
    real: Array = mask.astype(bool)
    return real


def real_or_all(layer: Layer, mask: Any, x: Array, symbol: str = "mask", of: str = "x") -> Array:
    """Which steps of x[batch, time, ...] are real: all of them where there is no mask."""
    if mask is None:
        return np.ones(x.shape[:2], bool)
    return as_mask(layer, mask, x.shape[:2], symbol, f"{of} has [batch, time]")
