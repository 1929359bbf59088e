"""The fully connected layer without a bias."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.randomness import stream


class Projection(Layer):
    """z = x W: every output is a weighted sum of all inputs.

    Shapes      x[batch, ..., in]   W[in, out]   z[batch, ..., out]

    Derivatives, given dz = ∂L/∂z. Those of Dense, without b:

        dW = xᵀ dz             summed over the batch and further axes       [in, out]
        dx = dz Wᵀ                                                          [batch, ..., in]

    Llama's layers have no biases, that of the scores included: after a normalisation they add
    little.
    Source      Touvron et al., LLaMA (2023), and its published files.
    """

    equation = "z = x W"
    axes = {"x": ("batch", "...", "in"), "W": ("in", "out"), "z": ("batch", "...", "out")}
    parameter_names = ("W",)
    weights = ("W",)

    W: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(name=name)
        if n_in < 1 or n_out < 1:
            raise InputError(f"{self}: sizes are at least 1, found in = {n_in}, out = {n_out}")
        self.sizes = {"in": n_in, "out": n_out}
        self.weight_initializer = weights

    def forward(self, x: Array) -> tuple[Array, Array]:
        self.check(x=x)
        z = x @ self.W
        return z, x

    def backward(self, dz: Array, x: Array) -> tuple[Array, Gradients]:
        self.check(x=x, dz=dz)
        dW = x.reshape(-1, x.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])
        dx = dz @ self.W.T
        return dx, {"W": dW}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Projection:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        n_in, n_out = self.sizes["in"], self.sizes["out"]
        self.W = self.weight_initializer.draw(rng, (n_in, n_out), n_in, n_out, dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[-1:] != (self.sizes["in"],):
            hint = "; put Flatten() before it" if len(input_shape) > 1 else ""
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, W expects in = "
                f"{self.sizes['in']} ({self.equation}){hint}"
            )
        return (*input_shape[:-1], self.sizes["out"])


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Projection(4, 3).initialize(rng), "x": rng.standard_normal((5, 4))}
