"""Softmax as a layer of its own, with the Jacobian that the fused loss makes unnecessary."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer


def softmax(z: Array) -> Array:
    """p[k] = e^z[k] / Σⱼ e^z[j] along the last axis.

    Subtracting the largest z changes nothing (it cancels in the fraction) and keeps every exponent
    at or below 0, so nothing overflows.
    """
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    out: Array = e / e.sum(axis=-1, keepdims=True)
    return out


def jacobian(p: Array) -> Array:
    """∂p[k]/∂z[j] = p[k] (δ[k, j] − p[j]) for each example: p[batch, classes] -> [batch, k, j].

    The whole matrix matters: each p depends on each z through the common denominator. Its diagonal
    alone, p (1 − p), is the most common wrong derivative of softmax.
    """
    diagonal = np.eye(p.shape[-1], dtype=p.dtype) * p[..., :, None]
    out: Array = diagonal - p[..., :, None] * p[..., None, :]
    return out


class Softmax(Layer):
    """p[k] = e^z[k] / Σⱼ e^z[j]: scores to probabilities, one distribution per example.

    Shapes      z[batch, ..., classes]   p[batch, ..., classes]
    Derivative  with the quotient rule, ∂p[k]/∂z[j] = p[k] (δ[k, j] − p[j]), see `jacobian`, so

        dz[j] = Σₖ dp[k] p[k] (δ[k, j] − p[j])
              = p[j] (dp[j] − Σₖ dp[k] p[k])

        dz = p ⊙ (dp − Σ_classes dp ⊙ p)

                The product with the Jacobian collapses to two passes over the classes; the matrix
                itself is never formed. Followed by cross-entropy this becomes p − t, and should be
                computed so: see `losses.SoftmaxCrossEntropy`.
    Source      Bridle, Training stochastic model recognition algorithms as networks can lead to
                maximum mutual information estimation of parameters (1990).
    """

    equation = "p = softmax(z)"
    axes = {"z": ("batch", "...", "classes"), "p": ("batch", "...", "classes")}

    def forward(self, z: Array) -> tuple[Array, Array]:
        self.check(z=z)
        p = softmax(z)
        return p, p

    def backward(self, dp: Array, p: Array) -> tuple[Array, Gradients]:
        self.check(p=p, dp=dp)
        dz = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Softmax(), "z": rng.standard_normal((5, 4))}
