"""Batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape

Cache = tuple[Array, Array, tuple[Array, Array] | None]


class BatchNorm(Layer):
    """y = γ x̂ + β with x̂ = (x − μ) / σ: each feature at mean 0 and variance 1, then as γ, β say.

    Shapes      x[batch, features] or x[batch, features, height, width]   y as x
                gamma, beta, running_mean, running_variance [features]

    Each feature is taken by itself; its m values are those of all examples and, in images, of all
    pixels. In training μ and σ are the batch's own:

        μ = 1/m Σₖ xₖ        σ² = 1/m Σₖ (xₖ − μ)² + ε

    In evaluation they are running averages of what training has seen, so that an answer does not
    depend on its company. After a training step, with the momentum r and the variance unbiased:

        running mean = (1 − r) running mean + r μ
        running variance = (1 − r) running variance + r Σₖ (xₖ − μ)² / (m − 1)

    Derivatives, given dy = ∂L/∂y, for one feature with its values x₁ … xₘ:

        dγ = Σₖ dyₖ x̂ₖ        dβ = Σₖ dyₖ        dx̂ₖ = γ dyₖ

    For dx the batch's μ and σ depend on every x, too:

        ∂μ/∂xₖ = 1/m
        2σ ∂σ/∂xₖ = 2/m Σₗ (xₗ − μ) (δₖₗ − 1/m) = 2/m (xₖ − μ),   so   ∂σ/∂xₖ = x̂ₖ / m
                                                                  because Σₗ (xₗ − μ) = 0
        ∂x̂ₗ/∂xₖ = (δₖₗ − ∂μ/∂xₖ) / σ − (xₗ − μ) / σ² · ∂σ/∂xₖ
                = (δₖₗ − 1/m − x̂ₗ x̂ₖ / m) / σ
        ∂L/∂xₖ  = Σₗ dx̂ₗ ∂x̂ₗ/∂xₖ = (dx̂ₖ − 1/m Σₗ dx̂ₗ − x̂ₖ 1/m Σₗ dx̂ₗ x̂ₗ) / σ

        dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)) / σ

                What would only shift or stretch the feature is taken out of the gradient: the layer
                would undo it. In evaluation μ and σ are constants, and dx = dx̂ / σ.
    Source      Ioffe, Szegedy, Batch normalization (2015), algorithm 1 and section 3.
    """

    equation = "y = γ (x − μ) / σ + β"
    axes = {
        "x": ("...",),
        "gamma": ("features",),
        "beta": ("features",),
        "running_mean": ("features",),
        "running_variance": ("features",),
        "y": ("...",),
    }
    parameter_names = ("gamma", "beta", "running_mean", "running_variance")
    statistics = ("running_mean", "running_variance")
    setting_names = ("epsilon", "momentum")

    gamma: Array
    beta: Array
    running_mean: Array
    running_variance: Array

    def __init__(
        self,
        features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float = 0.1,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if features < 1:
            raise InputError(f"{self}: features is at least 1, found {features}")
        if not epsilon > 0:
            raise InputError(f"{self}: epsilon is above 0, found {epsilon}")
        if not 0 < momentum <= 1:
            raise InputError(
                f"{self}: momentum is the share of the new batch in the running statistics, "
                f"0 < momentum <= 1, found {momentum}"
            )
        self.sizes = {"features": features}
        self.epsilon = epsilon
        self.momentum = momentum

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        self.check(x=x)
        self.output_shape(x.shape[1:])
        mean, variance = self._of_batch(x) if training else self._running()
        deviation = np.sqrt(variance + self.epsilon)
        xhat = (x - _along(mean, x)) / _along(deviation, x)
        y = _along(self.gamma, x) * xhat + _along(self.beta, x)
        return y, (xhat, deviation, (mean, variance) if training else None)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        xhat, deviation, of_batch = cache
        self.check(y=xhat, dy=dy)
        axes = _all_but_features(xhat)
        dgamma = (dy * xhat).sum(axis=axes)
        dbeta = dy.sum(axis=axes)
        dx = _along(self.gamma, dy) * dy
        if of_batch is not None:
            shift = dx.mean(axis=axes, keepdims=True)
            stretch = (dx * xhat).mean(axis=axes, keepdims=True)
            dx = dx - shift - xhat * stretch
        dx = dx / _along(deviation, dy)
        return dx, {"gamma": dgamma, "beta": dbeta}

    def updated_statistics(self, cache: Cache) -> dict[str, Array]:
        xhat, deviation, of_batch = cache
        if of_batch is None:
            return {}
        mean, variance = of_batch
        m = xhat.size // deviation.size
        keep, r = 1 - self.momentum, self.momentum
        return {
            "running_mean": keep * self.running_mean + r * mean,
            "running_variance": keep * self.running_variance + r * m / (m - 1) * variance,
        }

    def _of_batch(self, x: Array) -> tuple[Array, Array]:
        axes = _all_but_features(x)
        if x.size // self.sizes["features"] < 2:
            raise InputError(
                f"{self}: in training each feature needs two values or more, found x of shape "
                f"{x.shape}; use a larger batch, or leave a last one of one example out"
            )
        return x.mean(axis=axes), x.var(axis=axes)

    def _running(self) -> tuple[Array, Array]:
        return self.running_mean, self.running_variance

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> BatchNorm:
        """γ = 1 and β = 0, and of a batch that was not yet seen mean 0 and variance 1."""
        features = self.sizes["features"]
        self.gamma, self.beta = np.ones(features, dtype), np.zeros(features, dtype)
        self.running_mean, self.running_variance = np.zeros(features, dtype), self.gamma.copy()
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        features = self.sizes["features"]
        if len(input_shape) not in (1, 3) or input_shape[0] != features:
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, gamma expects ({features},) or "
                f"({features}, height, width) ({self.equation})"
            )
        return input_shape


def _all_but_features(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _along(values: Array, x: Array) -> Array:
    """values[features] with the axes that lie behind the features in x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = BatchNorm(3).initialize()
    layer.gamma, layer.beta = rng.standard_normal((2, 3))
    return {"self": layer, "x": rng.standard_normal((4, 3, 2, 5)), "training": True}
