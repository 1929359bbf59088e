"""What some layers make of their input, put beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.block import Block
from byhand.layers.memory import Memory


class Concatenation(Block):
    """y = (x, f(x)), side by side along the last axis, where f is layers one after the other.

    Shapes      x[..., in]   f(x)[..., out]   y[..., in + out]
    Derivative  x reaches y twice, as its first columns and through f, and the two add up:

        dx = dy[..., :in] + f′(x)ᵀ dy[..., in:]

    With an attention for f it is what a decoder knows at a step: its state, and the context that
    the state has asked for.

    Source      Luong, Pham, Manning, Effective approaches to attention-based neural machine
                translation (2015), eq. 5, "[c; h]"; Huang et al., Densely connected convolutional
                networks (2016), eq. 2.
    """

    equation = "y = (x, f(x))"

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
        memory: Memory | None = None,
    ) -> tuple[Array, list[Any]]:
        y, caches = super().forward(x, masks, states, real, memory)
        self._check_places(x.shape, y.shape)
        return np.concatenate((x, y), axis=-1), [x.shape[-1], *caches]

    def backward_with_memory(
        self, dy: Array, caches: list[Any]
    ) -> tuple[Array, Array | None, Gradients]:
        width, *inside = caches
        dx, dm, gradients = super().backward_with_memory(dy[..., width:], inside)
        return dy[..., :width] + dx, dm, gradients

    def final_states(self, caches: list[Any]) -> dict[str, Array]:
        return super().final_states(caches[1:])

    def updated_statistics(self, caches: list[Any]) -> dict[str, Array]:
        return super().updated_statistics(caches[1:])

    def output_shape(self, input_shape: Shape) -> Shape:
        inside = super().output_shape(input_shape)
        self._check_places(input_shape, inside)
        return (*input_shape[:-1], input_shape[-1] + inside[-1])

    def _check_places(self, x: Shape, y: Shape) -> None:
        if x[:-1] != y[:-1]:
            raise ShapeError(
                f"{self}: x has shape {x}, f(x) {y}, which have all axes but the last in common "
                f"({self.equation})"
            )


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    from byhand.layers import Dense, Tanh

    layer = Concatenation(Dense(3, 2), Tanh()).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 4, 3))}
