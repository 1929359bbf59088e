"""Normalisation by the root mean square."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape


class RMSNorm(Layer):
    """y = γ ⊙ x̂ with x̂ = x / r: each row at root mean square 1, then as γ says.

    Shapes      x[..., features]   gamma[features]   y[..., features]

    r is that of the m features of one row, such as one time step:

        r² = 1/m Σₖ xₖ² + ε

    Layer normalisation without its mean: no μ is subtracted, and no β added.

    Derivatives, given dy = ∂L/∂y. γ is the same for all rows, so its gradient is a sum over them:

        dγ = Σ_rows dy ⊙ x̂        dx̂ = γ ⊙ dy

    Within a row r depends on every xₖ:

        ∂r/∂xₖ  = x̂ₖ / m                       (from 2r ∂r/∂xₖ = 2/m xₖ)
        ∂x̂ₗ/∂xₖ = δₖₗ / r − xₗ / r² · x̂ₖ / m = (δₖₗ − x̂ₗ x̂ₖ / m) / r
        ∂L/∂xₖ  = Σₗ dx̂ₗ ∂x̂ₗ/∂xₖ

        dx = (dx̂ − x̂ mean(dx̂ ⊙ x̂)) / r        the mean over the features of a row

                What would only make the row longer or shorter is taken out of the gradient: the
                layer would undo it.
    Source      Zhang, Sennrich, Root mean square layer normalization (2019), eqs. 4 and 8.
    """

    equation = "y = γ x / r"
    axes = {"x": ("...",), "gamma": ("features",), "y": ("...",)}
    parameter_names = ("gamma",)
    setting_names = ("epsilon",)

    gamma: Array

    def __init__(self, features: int, *, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name=name)
        if features < 1:
            raise InputError(f"{self}: features is at least 1, found {features}")
        if not epsilon > 0:
            raise InputError(f"{self}: epsilon is above 0, found {epsilon}")
        self.sizes = {"features": features}
        self.epsilon = epsilon

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Array]]:
        self.check(x=x)
        self.output_shape(x.shape)
        r = np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.epsilon)
        xhat = x / r
        y = self.gamma * xhat
        return y, (xhat, r)

    def backward(self, dy: Array, cache: tuple[Array, Array]) -> tuple[Array, Gradients]:
        xhat, r = cache
        self.check(y=xhat, dy=dy)
        dgamma = (dy * xhat).sum(axis=tuple(range(dy.ndim - 1)))
        dxhat = self.gamma * dy
        dx = (dxhat - xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)) / r
        return dx, {"gamma": dgamma}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> RMSNorm:
        """γ = 1: what is normalised stays so."""
        self.gamma = np.ones(self.sizes["features"], dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[-1:] != (self.sizes["features"],):
            raise ShapeError(
                f"{self}: x has shape {input_shape}, gamma expects features = "
                f"{self.sizes['features']} on the last axis ({self.equation})"
            )
        return input_shape


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = RMSNorm(4).initialize()
    layer.gamma = rng.standard_normal(4)
    return {"self": layer, "x": rng.standard_normal((2, 3, 4))}
