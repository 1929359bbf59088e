"""Positions as waves."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.errors import InputError
from byhand.layers.base import Array
from byhand.layers.positions import Positions
from byhand.layers.rotary import angles


class SinusoidalPositions(Positions):
    """y = x + P[position] with P[t, 2k] = sin θ, P[t, 2k + 1] = cos θ, θ = t · 10000^(−2k/features)

    Shapes      x[batch, time, features]   mask[batch, time]   y[batch, time, features]
                the state is the number of steps so far, state[batch]

    Each pair of features is the hand of a clock; the first turns once in 2π steps, the last once in
    almost 2π · 10000. The row of t + n is that of t with each hand turned on by an angle that
    depends on n alone,

        sin(θ + φ) = sin θ cos φ + cos θ sin φ        cos(θ + φ) = cos θ cos φ − sin θ sin φ

    so a matrix can look n steps back, wherever it is. There is no last position.

    What P is added to should be of its own size, about 1: the paper multiplies embeddings by
    √features, because it draws them from N(0, 1/features); `Embedding` draws from N(0, 1) at once.

    Derivative  P depends on the position alone, and x enters with the factor 1:

        dx = dy                 and 0 in padding, where y = 0

    Source      Vaswani et al., Attention is all you need (2017), section 3.5.
    """

    def __init__(self, features: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if features < 2 or features % 2:
            raise InputError(
                f"{self}: features are pairs of a sine and a cosine, so an even number, "
                f"found {features}"
            )
        self.sizes = {"features": features}

    def table(self, positions: Array, dtype: np.dtype[Any]) -> Array:
        theta = angles(positions, self.sizes["features"])
        waves = np.stack((np.sin(theta), np.cos(theta)), axis=-1)
        return waves.reshape(*theta.shape[:-1], self.sizes["features"]).astype(dtype)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": SinusoidalPositions(4), "x": rng.standard_normal((2, 3, 4))}
