"""Which of the tokens that may come next is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

Array = NDArray[Any]
MOST_LIKELY = 1024
"""Of a vocabulary of hundreds of thousands so many are put in order; more only where these do not
sum to top_p."""


@dataclass(frozen=True)
class Sampling:
    """Which of the tokens that may come next is taken. From the probabilities p of the network, one
    after the other:

        temperature T   pᵢ ← pᵢ^(1/T) / Σⱼ pⱼ^(1/T), as if the scores had been divided by T: below 1
                        the likely become likelier, and 0 always takes the likeliest
        top_k           the k likeliest are left
        top_p           of these the fewest likeliest are left that sum to p or more

    and what is left is divided by its sum.

    Source      Ackley, Hinton, Sejnowski, A learning algorithm for Boltzmann machines (1985), for
                the temperature; Fan, Lewis, Dauphin, Hierarchical neural story generation (2018),
                for top_k; Holtzman et al., The curious case of neural text degeneration (2020), for
                top_p.
    Raises      InputError, which names the setting.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(
                f"temperature is a number of at least 0, found {self.temperature:g}; "
                "1 is the network's own, 0 always takes the likeliest"
            )
        if self.top_k is not None and self.top_k < 1:
            raise InputError(
                f"top-k is how many of the likeliest are left, at least 1; found {self.top_k}"
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(
                f"top-p is the share that the likeliest sum to, above 0 and at most 1; "
                f"found {self.top_p:g}"
            )

    def left(self, p: Array) -> Array:
        """The probabilities that are drawn from.

        Shapes      p[vocabulary] -> [vocabulary], float64
        """
        if self.temperature == 0:
            whole = np.zeros(len(p))
            whole[np.argmax(p)] = 1
            return whole
        q = _heated(p.astype(np.float64), self.temperature)
        if self.top_k is None and self.top_p is None:
            return q
        kept = likeliest(p, self.top_k or MOST_LIKELY)[: self.top_k]
        if self.top_p is not None:
            if self.top_k is None and q[kept].sum() < self.top_p:
                kept = likeliest(p, len(p))
            among = q[kept] / (1 if self.top_k is None else q[kept].sum())
            kept = kept[: int(np.searchsorted(np.cumsum(among), self.top_p)) + 1]
        whole = np.zeros(len(p))
        whole[kept] = q[kept] / q[kept].sum()
        return whole

    def draw(self, p: Array, u: float) -> int:
        """The token at u, from 0 to 1, where the tokens' probabilities lie end to end in the order
        of their ids. So roundings of p change the token only where u is at one of the ends."""
        if self.temperature == 0:
            return int(np.argmax(p))
        ends = np.cumsum(self.left(p))
        return int(np.searchsorted(ends, u * ends[-1], side="right"))


def likeliest(p: Array, count: int) -> Array:
    """The ids of at least so many of the likeliest, in their order; of equals the one with the
    smaller id is first, on every engine."""
    if count >= len(p):
        return np.argsort(-p, kind="stable")
    least = np.partition(p, -count)[-count]
    ids = np.flatnonzero(p >= least)
    return np.asarray(ids[np.argsort(-p[ids], kind="stable")])


def _heated(p: Array, temperature: float) -> Array:
    """p^(1/T) / Σ p^(1/T) by logarithms: the largest is 1 before the division, however small T."""
    if temperature == 1:
        return np.asarray(p / p.sum())
    with np.errstate(divide="ignore"):
        logarithm = np.log(p)
    heated: Array = np.exp((logarithm - logarithm.max()) / temperature)
    return np.asarray(heated / heated.sum())
