"""What self-attention and cross-attention share: the projections, and the heads."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.attention import ScaledDotProductAttention
from byhand.layers.base import Array, Layer, Shape
from byhand.randomness import stream


class MultiHead(Layer):
    """y = Σ_h attention(x Wq, m Wk, m Wv)_h Wo: several attentions side by side, each on a part of
    the width.

    heads       of queries, each d = width/heads wide
    kv_heads    of keys and values, each for heads/kv_heads heads of queries; as many as heads
                unless given. One is multi-query attention, some number between is grouped-query.

    With less kv_heads there is less to keep of the steps before, and Wk and Wv are narrower.
    Parameters start as N(0, 1/width), so that queries and keys have components of variance 1.
    """

    parameter_names = ("Wq", "Wk", "Wv", "Wo")
    weights = ("Wq", "Wk", "Wv", "Wo")

    Wq: Array
    Wk: Array
    Wv: Array
    Wo: Array

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(name=name)
        kv_heads = heads if kv_heads is None else kv_heads
        if min(width, heads, kv_heads) < 1:
            raise InputError(
                f"{self}: sizes are at least 1, found width = {width}, heads = {heads}, "
                f"kv_heads = {kv_heads}"
            )
        if width % heads:
            raise InputError(
                f"{self}: heads share the width in equal parts, found width = {width}, "
                f"heads = {heads}"
            )
        if heads % kv_heads:
            raise InputError(
                f"{self}: each of kv_heads serves as many heads, found heads = {heads}, "
                f"kv_heads = {kv_heads}"
            )
        self.sizes = {"width": width}
        self.heads, self.kv_heads, self.d = heads, kv_heads, width // heads
        self.weight_initializer = weights
        self.attention = ScaledDotProductAttention()

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> MultiHead:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        width, narrow = self.sizes["width"], self.kv_heads * self.d
        for symbol, columns in (("Wq", width), ("Wk", narrow), ("Wv", narrow), ("Wo", width)):
            drawn = self.weight_initializer.draw(rng, (width, columns), width, columns, dtype)
            setattr(self, symbol, drawn)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.sizes["width"]:
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, expected (time, width) with "
                f"width = {self.sizes['width']} ({self.equation})"
            )
        return input_shape


def split_heads(a: Array, heads: int) -> Array:
    """[batch, time, heads · d] as [batch, heads, time, d]"""
    batch, time, width = a.shape
    return a.reshape(batch, time, heads, width // heads).swapaxes(1, 2)


def join_heads(a: Array) -> Array:
    """[batch, heads, time, d] as [batch, time, heads · d]"""
    batch, heads, time, d = a.shape
    return a.swapaxes(1, 2).reshape(batch, time, heads * d)


def gradient_of_weights(x: Array, dz: Array) -> Array:
    """dW of z = x W, as in Dense: xᵀ dz, summed over batch and time."""
    dW: Array = x.reshape(-1, x.shape[2]).T @ dz.reshape(-1, dz.shape[2])
    return dW
