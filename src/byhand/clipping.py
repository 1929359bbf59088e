"""Gradient clipping: a bound on how far one step can go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

Gradients = Mapping[str, NDArray[Any]]


def global_norm(gradients: Gradients) -> float:
    """‖g‖ over all gradients together, as if they were one long vector."""
    # In float32 a square overflows from 1.8e19 on, and clipping to limit / inf would be to nothing.
    wide = (g.astype(np.float64, copy=False) for g in gradients.values())
    return math.sqrt(sum(float(np.vdot(g, g)) for g in wide))


@dataclass(frozen=True)
class Clipping:
    """Bounds the gradients of a step before the optimizer sees them."""

    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise InputError(f"limit is above 0, found {self.limit}")

    def clip(self, gradients: Gradients) -> dict[str, NDArray[Any]]:
        raise NotImplementedError


@dataclass(frozen=True)
class ClipByValue(Clipping):
    """g ← min(max(g, −limit), limit), elementwise. The direction of the step changes."""

    def clip(self, gradients: Gradients) -> dict[str, NDArray[Any]]:
        return {name: np.clip(g, -self.limit, self.limit) for name, g in gradients.items()}


@dataclass(frozen=True)
class ClipByGlobalNorm(Clipping):
    """g ← g · limit / ‖g‖ where ‖g‖ > limit, over all parameters together. The direction is kept.

    Source      Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks
                (2013), algorithm 1.
    """

    def clip(self, gradients: Gradients) -> dict[str, NDArray[Any]]:
        norm = global_norm(gradients)
        if norm <= self.limit:
            return dict(gradients)
        return {name: g * g.dtype.type(self.limit / norm) for name, g in gradients.items()}
