"""Tells of a run whether it makes more gradients right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import certify, values
from byhand.doctor.certify import Comparison, Point
from byhand.doctor.claims import Claim, Slopes
from byhand.doctor.claims import claims as claimed
from byhand.doctor.subject import Outcome, State, Subject


@dataclass
class Verdict:
    """Which claims are right in a run, by name."""

    right: frozenset[str]
    comparisons: dict[str, Comparison]


MOST_SORTS = 8
"""Sets of gradients, with their shapes, that are looked at where the program as it stands has
none."""


class Judge:
    """Compares runs with the truth at one point.

    loss        the program's own; None where it is not known since the program does not run

    Where the program as it stands does not even run, claims are those of the run that has the most
    of them, and the truth is found with that run's own taps in place."""

    def __init__(
        self, subject: Subject, state: State, claims: list[Claim], point: Point | None
    ) -> None:
        self.subject = subject
        self.state = state
        self.claims = claims
        self.point = point
        self.runs = point is not None
        self.loss = point.loss if point is not None else self._loss_alone()
        self.sorts: set[tuple[tuple[str, tuple[int, ...]], ...]] = set()

    def _loss_alone(self) -> float | None:
        try:
            return self.subject.loss(self.state)
        except Exception:
            return None

    def outcome(self) -> Outcome | None:
        try:
            return self.subject.run(self.state)
        except Exception:
            return None

    def verdict(self, outcome: Outcome) -> Verdict | None:
        point = self._point(outcome)
        if point is None:
            return None
        found = {}
        for claim in self.claims:
            gradient = outcome.gradients.get(claim.name)
            found[claim.name] = (
                Comparison(False, float("inf"))
                if gradient is None
                else certify.compare(claim, gradient, point)
            )
        right = frozenset(name for name, c in found.items() if c.right)
        return Verdict(right, found)

    def improved(self, before: frozenset[str]) -> frozenset[str] | None:
        """The claims that are right in a run as things are set now; None where one of those before
        is not, or no other is."""
        outcome = self.outcome()
        point = None if outcome is None else self._point(outcome)
        if outcome is None or point is None:
            return None

        def right(claim: Claim) -> bool:
            gradient = outcome.gradients.get(claim.name)
            return gradient is not None and certify.right(claim, gradient, point)

        found = {claim.name for claim in self.claims if claim.name not in before and right(claim)}
        if not found or not all(right(claim) for claim in self.claims if claim.name in before):
            return None
        return before | found

    def _point(self, outcome: Outcome) -> Point | None:
        """Where this run is compared with the truth; None where it is another forward."""
        if self.loss is not None and not same_loss(outcome.loss, self.loss):
            return None
        sort = tuple((name, values.shape(g)) for name, g in outcome.gradients.items())
        if not self.runs and sort not in self.sorts and len(self.sorts) < MOST_SORTS:
            self.sorts.add(sort)
            claims = claimed(self.subject, outcome, {}, Slopes(self.subject))
            if len(claims) > len(self.claims):
                self.claims = claims
                self.point = certify.measure(self.subject, self.state, claims, 0.6)
        if self.point is None or not same_loss(outcome.loss, self.point.loss):
            return None
        return self.point

    def judge(self) -> Verdict | None:
        outcome = self.outcome()
        return None if outcome is None else self.verdict(outcome)


def same_loss(a: float, b: float) -> bool:
    """Whether it is the same forward, but for rounding."""
    return a == b or abs(a - b) <= 1e-9 * abs(b)


def changed(a: Outcome, b: Outcome, claims: list[Claim]) -> frozenset[str]:
    """The claims whose gradients differ between two runs."""
    found = set()
    for claim in claims:
        x, y = a.gradients.get(claim.name), b.gradients.get(claim.name)
        if _differs(x, y):
            found.add(claim.name)
    return frozenset(found)


def _differs(x: Any, y: Any) -> bool:
    p, q = values.as_array(x), values.as_array(y)
    if p is None or q is None:
        return p is not q
    if p.shape != q.shape:
        return True
    return not bool(np.allclose(p, q, rtol=1e-9, atol=1e-13, equal_nan=True))
