"""The gated feed-forward layer of Llama."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.sigmoid import sigmoid
from byhand.randomness import stream


class SwiGLU(Layer):
    """y = (silu(x W) ⊙ x V) W2: a hidden layer in which each unit is opened or closed by another.

    Shapes      x[batch, ..., width]   W, V[width, hidden]   W2[hidden, width]
                y[batch, ..., width]

        g = x W         s = σ(g)        silu(g) = g ⊙ s
        u = x V
        h = g ⊙ s ⊙ u
        y = h W2

    In Llama's files W is gate_proj, V up_proj and W2 down_proj, each transposed. It has three
    matrices where Dense, GELU, Dense has two; with hidden = 2/3 · 4 width both have as many
    numbers.

    Derivatives, given dy = ∂L/∂y. A product as in Dense, an elementwise one, and two more products.
    silu′ = s (1 + g (1 − s)), see SiLU; x has two uses, and their gradients add up:

        dW2 = hᵀ dy                     dh = dy W2ᵀ
        du  = dh ⊙ g ⊙ s                dg = dh ⊙ u ⊙ s ⊙ (1 + g ⊙ (1 − s))
        dV  = xᵀ du                     dW = xᵀ dg
        dx  = dg Wᵀ + du Vᵀ

    Source      Shazeer, GLU variants improve Transformer (2020), eq. 6, FFN_SwiGLU.
    """

    equation = "y = (silu(x W) ⊙ x V) W2"
    axes = {
        "x": ("batch", "...", "width"),
        "W": ("width", "hidden"),
        "V": ("width", "hidden"),
        "W2": ("hidden", "width"),
        "y": ("batch", "...", "width"),
    }
    parameter_names = ("W", "V", "W2")
    weights = ("W", "V", "W2")

    W: Array
    V: Array
    W2: Array

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(name=name)
        if width < 1 or hidden < 1:
            raise InputError(
                f"{self}: sizes are at least 1, found width = {width}, hidden = {hidden}"
            )
        self.sizes = {"width": width, "hidden": hidden}
        self.weight_initializer = weights

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        self.check(x=x)
        g = x @ self.W
        u = x @ self.V
        s = sigmoid(g)
        y = (g * s * u) @ self.W2
        return y, (x, g, s, u)

    def backward(
        self, dy: Array, cache: tuple[Array, Array, Array, Array]
    ) -> tuple[Array, Gradients]:
        x, g, s, u = cache
        self.check(x=x, dy=dy)
        shape = x.shape
        x, g, s, u, dy = (a.reshape(-1, a.shape[-1]) for a in (x, g, s, u, dy))
        dW2 = (g * s * u).T @ dy
        dh = dy @ self.W2.T
        du = dh * g * s
        dg = dh * u * s * (1 + g * (1 - s))
        dW = x.T @ dg
        dV = x.T @ du
        dx = dg @ self.W.T + du @ self.V.T
        return dx.reshape(shape), {"W": dW, "V": dV, "W2": dW2}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> SwiGLU:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        width, hidden = self.sizes["width"], self.sizes["hidden"]
        draw = self.weight_initializer.draw
        self.W = draw(rng, (width, hidden), width, hidden, dtype)
        self.V = draw(rng, (width, hidden), width, hidden, dtype)
        self.W2 = draw(rng, (hidden, width), hidden, width, dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[-1:] != (self.sizes["width"],):
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, W expects width = "
                f"{self.sizes['width']} on the last axis ({self.equation})"
            )
        return input_shape


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": SwiGLU(4, 3).initialize(rng), "x": rng.standard_normal((2, 5, 4))}
