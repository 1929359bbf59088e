"""The logistic sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer


def sigmoid(z: Array) -> Array:
    """σ(z) = 1 / (1 + e⁻ᶻ), elementwise, without overflow for any z.

    Since σ(z) = ½ (1 + tanh(z/2)), and tanh never overflows, no case distinction is needed.
    """
    half = z.dtype.type(0.5)
    out: Array = half * (np.tanh(half * z) + 1)
    return out


class Sigmoid(Layer):
    """a = σ(z) = 1 / (1 + e⁻ᶻ), elementwise.

    Shapes      z[...]   a[...]
    Derivative  dσ/dz = e⁻ᶻ / (1 + e⁻ᶻ)² = σ(z) (1 − σ(z)), so

        dz = da ⊙ a ⊙ (1 − a)

                written with the output a that the forward pass already has. It is at most ¼, at
                z = 0, and close to 0 where the unit is saturated: this is why deep sigmoid nets
                learn slowly.
    Source      Nielsen, Neural Networks and Deep Learning, ch. 1 eq. 3; ch. 2, BP1 and BP2.
    """

    equation = "a = σ(z)"
    axes = {"z": ("...",), "a": ("...",)}

    def forward(self, z: Array) -> tuple[Array, Array]:
        self.check(z=z)
        a = sigmoid(z)
        return a, a

    def backward(self, da: Array, a: Array) -> tuple[Array, Gradients]:
        self.check(a=a, da=da)
        dz = da * a * (1 - a)
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Sigmoid(), "z": rng.standard_normal((5, 4))}
