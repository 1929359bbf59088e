"""All axes of an example in one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape


class Flatten(Layer):
    """y[n, :] = all elements of x[n, …] in row order.

    Shapes      x[batch, ...]   y[batch, features]
    Derivative  nothing is computed, only the axes are renamed, so dx is dy in x's shape.
    """

    equation = "y = x as [batch, features]"
    axes = {"x": ("...",), "y": ("batch", "features")}

    def forward(self, x: Array) -> tuple[Array, Shape]:
        self.check(x=x)
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, shape: Shape) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        expected = (shape[0], math.prod(shape[1:]))
        if dy.shape != expected:
            raise ShapeError(
                f"{self}: dy has shape {dy.shape}, expected {expected} ({self.equation})"
            )
        return dy.reshape(shape), {}

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Flatten(), "x": rng.standard_normal((5, 2, 3))}
