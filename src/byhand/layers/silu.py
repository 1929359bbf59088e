"""The sigmoid linear unit, or swish."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer
from byhand.layers.sigmoid import sigmoid


class SiLU(Layer):
    """a = z σ(z), elementwise: a gate that z opens for itself.

    Shapes      z[...]   a[...]
    Derivative  with the product rule and σ′ = σ (1 − σ), and a again where it appears:

        da/dz = σ(z) + z σ(z) (1 − σ(z)) = σ(z) (1 + z (1 − σ(z)))

        dz = da ⊙ σ ⊙ (1 + z ⊙ (1 − σ))

                Close to 1 for large z and to 0 for very negative ones; ½ at z = 0, and negative
                below z = −1.28, where a has its smallest value, −0.28.
    Source      Elfwing, Uchibe, Doya, Sigmoid-weighted linear units (2017), eqs. 4 and 5;
                Ramachandran, Zoph, Le, Searching for activation functions (2017), "swish".
    """

    equation = "a = z σ(z)"
    axes = {"z": ("...",), "a": ("...",)}

    def forward(self, z: Array) -> tuple[Array, tuple[Array, Array]]:
        self.check(z=z)
        s = sigmoid(z)
        a = z * s
        return a, (z, s)

    def backward(self, da: Array, cache: tuple[Array, Array]) -> tuple[Array, Gradients]:
        z, s = cache
        self.check(z=z, da=da)
        dz = da * s * (1 + z * (1 - s))
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": SiLU(), "z": rng.standard_normal((5, 4))}
