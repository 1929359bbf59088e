"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Layer

CUBIC = 0.044715
_erf = np.vectorize(math.erf, otypes=[np.float64])  # NumPy has no erf of its own


class GELU(Layer):
    """a = z Φ(z), elementwise: z times the probability that a standard normal number is below z.

    Shapes      z[...]   a[...]
    form        "erf", the equation as it is, with Φ(z) = ½ (1 + erf(z/√2)); PyTorch's default, and
                BERT's. "tanh", an approximation that is off by 5 · 10⁻⁴ at most; GPT-2's:

                    Φ(z) ≈ ½ (1 + tanh u)        u = √(2/π) (z + 0.044715 z³)

    Derivative  with the product rule. Φ is a distribution function, so its derivative is the
                density φ(z) = e^(−z²/2) / √(2π):

        "erf"       da/dz = Φ(z) + z φ(z)
        "tanh"      da/dz = ½ (1 + tanh u) + ½ z (1 − tanh² u) u′
                    u′    = √(2/π) (1 + 3 · 0.044715 z²)

        dz = da ⊙ da/dz

                Beside a ReLU it is smooth at 0, and from −0.75 on downwards it rises again: its
                derivative is negative there.
    Source      Hendrycks, Gimpel, Gaussian error linear units (2016), section 2.
    """

    equation = "a = z Φ(z)"
    axes = {"z": ("...",), "a": ("...",)}
    setting_names = ("exact",)

    def __init__(self, form: Literal["erf", "tanh"] = "erf", *, name: str | None = None) -> None:
        super().__init__(name=name)
        if form not in ("erf", "tanh"):
            raise InputError(f'{self}: form is "erf" or "tanh", found {form!r}')
        self.exact = form == "erf"

    def forward(self, z: Array) -> tuple[Array, tuple[Array, Array]]:
        self.check(z=z)
        if self.exact:
            t = _erf(z / math.sqrt(2)).astype(z.dtype)
        else:
            t = np.tanh(math.sqrt(2 / math.pi) * (z + CUBIC * z**3))
        a = 0.5 * z * (1 + t)
        return a, (z, t)

    def backward(self, da: Array, cache: tuple[Array, Array]) -> tuple[Array, Gradients]:
        z, t = cache
        self.check(z=z, da=da)
        if self.exact:
            slope = 2 * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        else:
            slope = (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * CUBIC * z * z)
        dz = da * 0.5 * (1 + t + z * slope)
        return dz, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": GELU(), "z": rng.standard_normal((5, 4))}
