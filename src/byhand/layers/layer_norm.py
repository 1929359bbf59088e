"""Layer normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.layers.base import Array, Gradients
from byhand.layers.feature_norm import FeatureNorm


class LayerNorm(FeatureNorm):
    """y = γ ⊙ x̂ + β with x̂ = (x − μ) / σ: each row at mean 0 and variance 1, then as γ, β say.

    Shapes      x[..., features]   gamma[features]   beta[features]   y[..., features]

    μ and σ are those of the m features of one row, such as one example or one time step, so there
    is no difference between training and evaluation:

        μ = 1/m Σₖ xₖ        σ² = 1/m Σₖ (xₖ − μ)² + ε

    Derivatives, given dy = ∂L/∂y. γ and β are the same for all rows, so they sum over them:

        dγ = Σ_rows dy ⊙ x̂        dβ = Σ_rows dy        dx̂ = γ ⊙ dy

    Within a row μ and σ depend on every xₖ:

        ∂μ/∂xₖ = 1/m        ∂σ/∂xₖ = x̂ₖ / m        (from 2σ ∂σ/∂xₖ = 2/m (xₖ − μ))
        ∂x̂ₗ/∂xₖ = (δₖₗ − 1/m) / σ − (xₗ − μ) / σ² · x̂ₖ / m = (δₖₗ − 1/m − x̂ₗ x̂ₖ / m) / σ
        ∂L/∂xₖ  = Σₗ dx̂ₗ ∂x̂ₗ/∂xₖ

        dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ ⊙ x̂)) / σ        means over the features of a row

                The same as in batch normalisation, over the other axis; but γ differs from feature
                to feature, so it has to be within the means.
    Source      Ba, Kiros, Hinton, Layer normalization (2016), eqs. 3 and 4.
    """

    equation = "y = γ (x − μ) / σ + β"
    axes = {"x": ("...",), "gamma": ("features",), "beta": ("features",), "y": ("...",)}
    parameter_names = ("gamma", "beta")

    gamma: Array
    beta: Array

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Array]]:
        self.check(x=x)
        self.output_shape(x.shape)
        mean = x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(x.var(axis=-1, keepdims=True) + self.epsilon)
        xhat = (x - mean) / deviation
        y = self.gamma * xhat + self.beta
        return y, (xhat, deviation)

    def backward(self, dy: Array, cache: tuple[Array, Array]) -> tuple[Array, Gradients]:
        xhat, deviation = cache
        self.check(y=xhat, dy=dy)
        rows = tuple(range(dy.ndim - 1))
        dgamma = (dy * xhat).sum(axis=rows)
        dbeta = dy.sum(axis=rows)
        dxhat = self.gamma * dy
        shift = dxhat.mean(axis=-1, keepdims=True)
        stretch = (dxhat * xhat).mean(axis=-1, keepdims=True)
        dx = (dxhat - shift - xhat * stretch) / deviation
        return dx, {"gamma": dgamma, "beta": dbeta}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> LayerNorm:
        """γ = 1 and β = 0: what is normalised stays so."""
        features = self.sizes["features"]
        self.gamma, self.beta = np.ones(features, dtype), np.zeros(features, dtype)
        return self


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = LayerNorm(4).initialize()
    layer.gamma, layer.beta = rng.standard_normal((2, 4))
    return {"self": layer, "x": rng.standard_normal((2, 3, 4))}
