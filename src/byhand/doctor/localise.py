"""What a statement should have computed, found without knowing what it is for.

The rest of a backward is linear in the value v of a statement: gradients = A v + c. Nudging v
element by element gives A. If some v makes the wrong gradients right, that is the value wanted; if
none does, the statement is not to blame. In a loop each round has a v of its own, and what the
first should have been is what the others cannot make up for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.certify import taken
from byhand.doctor.claims import Claim
from byhand.doctor.edits.base import broadcasts
from byhand.doctor.judge import Judge
from byhand.doctor.probing import flat, shifted
from byhand.doctor.subject import Outcome
from byhand.doctor.trace import Visit

MOST_COLUMNS = 400
SECONDS = 0.3
PATIENT = 0.8
"""For one statement, as far as its runs can be foretold; for those that may have made all of the
wrong gradients more."""


@dataclass
class Target:
    """What a statement should have computed in one of its rounds.

    round       the first round whose value has to be another; that of a loop which begins with a
                carrier of zeros may well be right
    solved      the wrong gradients that some value makes right, as many as one value can
    start       the value that it had
    matrix      what is known of a change d that makes them right: matrix @ d = need
    others      the same for each wrong gradient alone, where there may be two mistakes: no value
                makes all of them right, or it is several values, of which one may be mended first
    """

    solved: frozenset[str]
    start: np.ndarray
    matrix: np.ndarray
    need: np.ndarray
    slack: float
    shape: tuple[int, ...]
    round: int = 0
    others: tuple[Target, ...] = ()

    def allows(self, value: Any) -> bool:
        """Whether a value may be the one wanted. Where none of this shape is, another may be."""
        return self._fits(value) or any(other._fits(value) for other in self.others)

    def _fits(self, value: Any) -> bool:
        after, array = flat(value), values.as_array(value)
        if not self.solved:
            return array is not None and array.shape != self.shape
        if after is None or after.size > self.start.size:
            return False
        if after.size < self.start.size:
            if array is None or not broadcasts(self.shape, array.shape, self.shape):
                return False
            after = np.broadcast_to(array, self.shape).reshape(-1)
        off = self.matrix @ (after - self.start) - self.need
        return bool(np.abs(off).max(initial=0) <= self.slack)

    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """Equations G x = g for the value x wanted: random combinations of all of them, no more
        than it has elements."""
        rng = np.random.default_rng(2)
        count = min(len(self.need), self.start.size + 16)
        mix = rng.normal(size=(count, len(self.need)))
        return mix @ self.matrix, mix @ (self.need + self.matrix @ self.start)


def vector(outcome: Outcome, judge: Judge, claims: list[Claim]) -> np.ndarray | None:
    """The gradients of these claims, at the elements whose truth is known, as one vector."""
    assert judge.point is not None
    parts = []
    for claim in claims:
        got = taken(claim, outcome.gradients.get(claim.name), judge.point)
        if got is None:
            return None
        parts.append(got)
    return np.concatenate(parts) if parts else None


def target(
    judge: Judge, visit: Visit, base: Outcome, wrong: frozenset[str], seconds: float = SECONDS
) -> Target | None:
    """What a statement should have computed.

    None where it cannot be said: too many elements, not linear."""
    point = judge.point
    assert point is not None
    first = flat(visit.results[0]) if visit.results else None
    if first is None or first.size == 0 or not 0 < visit.size <= MOST_COLUMNS:
        return None
    usable = [c for c in judge.claims if taken(c, base.gradients.get(c.name), point) is not None]
    start = vector(base, judge, usable)
    if not wrong <= {c.name for c in usable}:
        return None  # what has another shape is in no vector
    if start is None or not np.all(np.isfinite(start)):
        return None
    matrix = _matrix(judge, visit, usable, start, seconds)
    if matrix is None:
        return None
    kinked = np.concatenate([point.truth[c.name].kinks for c in usable])
    truth = np.concatenate([point.truth[c.name].value for c in usable])
    need = np.where(kinked, 0.0, truth - start)
    slack = 3e-5 * max(float(np.abs(need).max(initial=0)), 1e-9)
    slack += 1e-8 * float(np.abs(truth).max(initial=0))
    sizes = [len(point.truth[c.name].elements) for c in usable]
    owner = np.repeat(np.arange(len(usable)), sizes)
    right = [k for k, c in enumerate(usable) if c.name not in wrong]
    moved = [k for k, c in enumerate(usable) if c.name in wrong and _moves(matrix[owner == k])]

    def rows_of(which: list[int]) -> np.ndarray:
        found: np.ndarray = ~kinked & np.isin(owner, [*right, *which])
        return found

    def found(can: list[int]) -> Target:
        rows, solved = rows_of(can), frozenset(usable[k].name for k in can)
        return _of_a_round(visit, matrix[rows], need[rows], slack, solved)

    can = _together(moved, lambda which: _consistent(matrix, need, rows_of(which), slack))
    best = found(can)
    several = isinstance(visit.results[0], tuple | list | dict) and len(moved) > 1
    if len(can) < len(moved) or several:
        alone = [found([k]) for k in moved if _consistent(matrix, need, rows_of([k]), slack)]
        best.others = tuple(other for other in alone if other.round == best.round)
    return best


def _of_a_round(
    visit: Visit, matrix: np.ndarray, need: np.ndarray, slack: float, solved: frozenset[str]
) -> Target:
    """What one round has to make up for since the others cannot."""
    found: Target | None = None
    at = 0
    for place, result in enumerate(visit.results):
        start = flat(result)
        assert start is not None
        own = np.zeros(matrix.shape[1], bool)
        own[at : at + start.size] = True
        at += start.size
        free = _complement(matrix[:, ~own])
        left = free @ need
        if found is None or np.abs(left).max(initial=0) > slack:
            shape = values.shape(result)
            found = Target(solved, start, free @ matrix[:, own], left, slack, shape, place)
        if np.abs(left).max(initial=0) > slack:
            break
    assert found is not None
    return found


def _moves(matrix: np.ndarray) -> bool:
    return bool(np.abs(matrix).max(initial=0) > 1e-12)


def _together(which: list[int], agree: Callable[[list[int]], bool]) -> list[int]:
    """As many as agree with each other: with two mistakes not all do."""
    if agree(which):
        return which
    best: list[int] = []
    for first in which:
        found: list[int] = []
        for k in [first, *(w for w in which if w != first)]:
            if agree([*found, k]):
                found.append(k)
        best = max(best, found, key=len)
    return best


def _matrix(
    judge: Judge, visit: Visit, claims: list[Claim], start: np.ndarray, seconds: float
) -> np.ndarray | None:
    """∂(gradients)/∂(the statement's values in all its rounds); None where it is not linear."""
    count = visit.size
    rng: Any = np.random.default_rng(1)
    began = time.thread_time()
    step = rng.normal(size=count)
    check = _run_with(judge, visit, step)
    actual = None if check is None else vector(check, judge, claims)
    if actual is None or count * (time.thread_time() - began) > seconds:
        return None
    matrix = np.zeros((start.size, count))
    for k in range(count):
        unit = np.zeros(count)
        unit[k] = 1.0
        found = _run_with(judge, visit, unit)
        column = None if found is None else vector(found, judge, claims)
        if column is None:
            return None
        matrix[:, k] = column - start
    near = np.allclose(
        actual,
        start + matrix @ step,
        rtol=1e-6,
        atol=1e-8 * max(1.0, float(np.abs(actual).max(initial=0))),
    )
    return matrix if near else None


def _consistent(matrix: np.ndarray, need: np.ndarray, rows: np.ndarray, slack: float) -> bool:
    """Whether some x has A x = need in these rows."""
    a, b = matrix[rows], need[rows]
    x = np.linalg.lstsq(a, b, rcond=1e-9)[0]
    return bool(np.abs(a @ x - b).max(initial=0) <= slack)


def _complement(matrix: np.ndarray) -> np.ndarray:
    """Rows that span what the columns of a matrix do not reach."""
    if matrix.shape[1] == 0 or matrix.shape[0] == 0:
        return np.eye(matrix.shape[0])
    u, s, _ = np.linalg.svd(matrix, full_matrices=True)
    rank = int((s > 1e-9 * max(1e-30, float(s.max(initial=0)))).sum())
    found: np.ndarray = u[:, rank:].T
    return found


def _run_with(judge: Judge, visit: Visit, steps: np.ndarray) -> Outcome | None:
    """A run in which the statement's values are moved, those of the first round first."""
    module, site = judge.subject.module, visit.site
    left = [steps]

    def handler(there: dict[str, Any]) -> Any:
        value = module.evaluate(site.code, there)
        own = flat(value)
        if own is None or own.size > left[0].size:
            raise ValueError("another number of rounds")
        step, left[0] = left[0][: own.size], left[0][own.size :]
        return shifted(value, step)

    module.listen(site.number, handler)
    try:
        return judge.subject.run(judge.state)
    except Exception:
        return None
    finally:
        module.quiet()
