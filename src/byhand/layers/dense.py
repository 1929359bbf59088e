"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.randomness import stream


class Dense(Layer):
    """z = x W + b: every output is a weighted sum of all inputs, plus its own bias.

    Shapes      x[batch, ..., in]   W[in, out]   b[out]   z[batch, ..., out]
                With further axes, such as time, every place along them is an example of its own.

    Derivatives, given dz = ∂L/∂z. Written out for one example n, one input i, one output j:

        z[n, j] = Σᵢ x[n, i] W[i, j] + b[j]

        ∂L/∂W[i, j] = Σₙ x[n, i] dz[n, j]     W[i, j] acts on output j only, times x[n, i]
        ∂L/∂b[j]    = Σₙ dz[n, j]             b[j] acts on output j only, times 1
        ∂L/∂x[n, i] = Σⱼ dz[n, j] W[i, j]     x[n, i] acts on every output j, times W[i, j]

    and each sum, read as a matrix product, is one line of code:

        dW = xᵀ dz             input times error, summed over the batch      [in, out]
        db = Σ_batch dz        the error itself, summed over the batch       [out]
        dx = dz Wᵀ             each output's error, sent back along the weight that carried the
                               input there; so it is W as the forward pass used it, never dW and
                               never an updated W                            [batch, in]

    The mean over the batch is not taken here: the loss takes it once, inside dz.

    Source      Nielsen, Neural Networks and Deep Learning, ch. 2: BP2 is dx, BP3 is db, BP4 is dW,
                with his matrices transposed (one example there is a column, here a row).
    """

    equation = "z = x W + b"
    axes = {
        "x": ("batch", "...", "in"),
        "W": ("in", "out"),
        "b": ("out",),
        "z": ("batch", "...", "out"),
    }
    parameter_names = ("W", "b")
    weights = ("W",)

    W: Array
    b: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
        biases: Initializer = Zeros(),
    ) -> None:
        super().__init__(name=name)
        if n_in < 1 or n_out < 1:
            raise InputError(f"{self}: sizes are at least 1, found in = {n_in}, out = {n_out}")
        self.sizes = {"in": n_in, "out": n_out}
        self.weight_initializer = weights
        self.bias_initializer = biases

    def forward(self, x: Array) -> tuple[Array, Array]:
        self.check(x=x)
        z = x @ self.W + self.b
        return z, x

    def backward(self, dz: Array, x: Array) -> tuple[Array, Gradients]:
        self.check(x=x, dz=dz)
        shape = x.shape
        x, dz = x.reshape(-1, shape[-1]), dz.reshape(-1, dz.shape[-1])
        dW = x.T @ dz
        db = dz.sum(axis=0)
        dx = dz @ self.W.T
        return dx.reshape(shape), {"W": dW, "b": db}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Dense:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        n_in, n_out = self.sizes["in"], self.sizes["out"]
        self.W = self.weight_initializer.draw(rng, (n_in, n_out), n_in, n_out, dtype)
        self.b = self.bias_initializer.draw(rng, (n_out,), n_in, n_out, dtype)
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
    layer = Dense(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((5, 4))}
