"""The hyperbolic tangent."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer


class Tanh(Layer):
    """a = tanh(z), elementwise.

    Shapes      z[...]   a[...]
    Derivative  with tanh = sinh / cosh and cosh² − sinh² = 1,
                d tanh/dz = (cosh² − sinh²) / cosh² = 1 − tanh²(z), so

        dz = da ⊙ (1 − a²)

                It is 1 at z = 0, four times the sigmoid's, and tends to 0 where the unit saturates.
    Source      LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.4.
    """

    equation = "a = tanh(z)"
    axes = {"z": ("...",), "a": ("...",)}

    def forward(self, z: Array) -> tuple[Array, Array]:
        self.check(z=z)
        a = np.tanh(z)
        return a, a

    def backward(self, da: Array, a: Array) -> tuple[Array, Gradients]:
        self.check(a=a, da=da)
        dz = da * (1 - a * a)
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Tanh(), "z": rng.standard_normal((5, 4))}
