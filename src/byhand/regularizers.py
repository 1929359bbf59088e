"""Penalties on large weights, added to the loss. They are for weights, never for biases: a large
bias does not make a unit more sensitive to its input.

Both are scaled by the number n of training examples (the whole set, not the batch), as the loss is
a mean over them: the same λ then means the same for any batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

Array = NDArray[Any]


@dataclass(frozen=True)
class Regularizer:
    """R(w), added to the loss for each weight array w, and its derivative."""

    strength: float

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise InputError(f"strength is at least 0, found {self.strength}")

    def penalty(self, w: Array, examples: int) -> float:
        raise NotImplementedError

    def gradient(self, w: Array, examples: int) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class L2(Regularizer):
    """R = λ/(2n) Σ w²     dR/dw = λ/n · w

    Each step of plain SGD then shrinks w by the factor 1 − ηλ/n: "weight decay".
    Source      Nielsen, ch. 3 eq. 85–93.
    """

    def penalty(self, w: Array, examples: int) -> float:
        return self.strength / (2 * examples) * float(np.sum(w * w))

    def gradient(self, w: Array, examples: int) -> Array:
        out: Array = w * w.dtype.type(self.strength / examples)
        return out


@dataclass(frozen=True)
class L1(Regularizer):
    """R = λ/n Σ |w|     dR/dw = λ/n · sign(w)

    A constant pull toward 0, where |w| has its kink and sign(0) = 0 is taken: many weights end
    near zero.
    Source      Nielsen, ch. 3 eq. 95–97.
    """

    def penalty(self, w: Array, examples: int) -> float:
        return self.strength / examples * float(np.sum(np.abs(w)))

    def gradient(self, w: Array, examples: int) -> Array:
        out: Array = np.sign(w) * w.dtype.type(self.strength / examples)
        return out


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to regularizers.py::L2 and L1."""
    return {"init": {"strength": 0.3}, "forward": {"w": rng.standard_normal((4, 3)), "examples": 7}}
