"""A path around some layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.block import Block
from byhand.layers.memory import Memory


class Residual(Block):
    """y = x + f(x), where f is layers one after the other.

    Shapes      x[...]   y[...], the shape of f(x), too
    Derivative  x reaches y twice, once as it is and once through f, and the two add up:

        dx = dy + f′(x)ᵀ dy     where f′(x)ᵀ dy is what f's own backward makes of dy

                However many blocks there are, dy comes to each of them along the sum alone, as it
                is; no product along the way can make it vanish.

    The two blocks of a Transformer, N the normalisation:

        pre-norm    Residual(N, f)              x + f(N(x))     the sum is never normalised
        post-norm   Residual(f), then N         N(x + f(x))     as in the paper of 2017

    Source      He, Zhang, Ren, Sun, Deep residual learning for image recognition (2015), eq. 1;
                Xiong et al., On layer normalization in the Transformer architecture (2020), for
                pre- and post-norm.
    """

    equation = "y = x + f(x)"

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
        memory: Memory | None = None,
    ) -> tuple[Array, list[Any]]:
        y, caches = super().forward(x, masks, states, real, memory)
        self._check_sum(x.shape, y.shape)
        return x + y, caches

    def backward_with_memory(
        self, dy: Array, caches: list[Any]
    ) -> tuple[Array, Array | None, Gradients]:
        dx, dm, gradients = super().backward_with_memory(dy, caches)
        return dy + dx, dm, gradients

    def output_shape(self, input_shape: Shape) -> Shape:
        self._check_sum(input_shape, super().output_shape(input_shape))
        return input_shape

    def _check_sum(self, x: Shape, y: Shape) -> None:
        if x != y:
            raise ShapeError(f"{self}: x has shape {x}, f(x) {y} ({self.equation})")


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: a block of a Transformer, pre-norm."""
    from byhand.layers import Dense, LayerNorm
    from byhand.layers.gelu import GELU

    layer = Residual(LayerNorm(4), Dense(4, 3), GELU(), Dense(3, 4)).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 3, 4))}
