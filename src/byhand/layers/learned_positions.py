"""Positions as a table that is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.initializers import Initializer, StandardNormal
from byhand.layers.base import Array, Gradients
from byhand.layers.positions import Positions
from byhand.randomness import stream


class LearnedPositions(Positions):
    """y = x + P[position], where P is a parameter: an Embedding of the place.

    Shapes      x[batch, time, features]   mask[batch, time]   P[positions, features]
                y[batch, time, features]   the state is the number of steps so far, state[batch]

    Derivatives, given dy = ∂L/∂y. Padding has y = 0, so dy is 0 there in what follows. A row of P
    is used wherever a step stands at its position, each time with the factor 1, as x is:

        dx = dy
        dP[t] = Σ dy[n, i]  over all n, i with position t          [positions, features]

    A position beyond the last row cannot be named, let alone have been learned. P starts as
    N(0, 1), as large as `Embedding`'s rows.

    Source      Gehring et al., Convolutional sequence to sequence learning (2017), section 3.1.
    Raises      InputError where a sequence is longer than the table.
    """

    axes = {
        "x": ("batch", "time", "features"),
        "P": ("positions", "features"),
        "y": ("batch", "time", "features"),
    }
    parameter_names = ("P",)
    weights = ("P",)

    P: Array

    def __init__(
        self,
        positions: int,
        features: int,
        *,
        name: str | None = None,
        weights: Initializer = StandardNormal(),
    ) -> None:
        super().__init__(name=name)
        if positions < 1 or features < 1:
            raise InputError(
                f"{self}: sizes are at least 1, found positions = {positions}, "
                f"features = {features}"
            )
        self.sizes = {"positions": positions, "features": features}
        self.weight_initializer = weights

    def table(self, positions: Array, dtype: np.dtype[Any]) -> Array:
        last, known = int(positions.max(initial=0)), self.sizes["positions"]
        if last >= known:
            raise InputError(
                f"{self}: x has a step at position {last}, P has positions = {known}, so the last "
                f"is {known - 1} ({self.equation}); give a shorter sequence"
            )
        rows: Array = self.P[positions]
        return rows

    def table_gradients(self, dx: Array, positions: Array) -> Gradients:
        dP = np.zeros_like(self.P)
        np.add.at(dP, positions, dx)
        return {"P": dP}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> LearnedPositions:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        positions, features = self.sizes["positions"], self.sizes["features"]
        self.P = self.weight_initializer.draw(
            rng, (positions, features), positions, features, dtype
        )
        return self


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": LearnedPositions(5, 4).initialize(rng), "x": rng.standard_normal((2, 3, 4))}
