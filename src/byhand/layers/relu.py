"""The rectified linear unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer


class ReLU(Layer):
    """a = max(0, z), elementwise.

    Shapes      z[...]   a[...]
    Derivative  1 where z > 0 and 0 where z < 0, so

        dz = da ⊙ [z > 0]

                At z = 0 the derivative does not exist; any number from 0 to 1 is a sub-gradient,
                and 0 is taken here as it is in PyTorch. a > 0 says the same as z > 0, so the
                output is all that backward needs.
    Source      Glorot, Bordes, Bengio, Deep Sparse Rectifier Neural Networks (2011), section 3.
    """

    equation = "a = max(0, z)"
    axes = {"z": ("...",), "a": ("...",)}

    def forward(self, z: Array) -> tuple[Array, Array]:
        self.check(z=z)
        a = np.maximum(z, 0)
        return a, a

    def backward(self, da: Array, a: Array) -> tuple[Array, Gradients]:
        self.check(a=a, da=da)
        dz = da * (a > 0)
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": ReLU(), "z": rng.standard_normal((5, 4))}
