"""What a statement should have computed, found without knowing what it is for.

The rest of a backward is linear in the value v of a statement: gradients = A v + c. Nudging v
element by element gives A. If some v makes the wrong gradients right, that is the value wanted; if
none does, the statement is not to blame. And where a value has the name of a gradient, dZ1, the
forward's own Z1 can be nudged to see whether it is right as it stands."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import names, values
from byhand.doctor.certify import Claim
from byhand.doctor.judge import Judge
from byhand.doctor.subject import Outcome
from byhand.doctor.trace import Visit

MOST_COLUMNS = 80


@dataclass
class Target:
    """The value that would make the gradients right; `solved` names those of them that it does."""

    value: np.ndarray | None
    solved: frozenset[str]


def vector(outcome: Outcome, judge: Judge, claims: list[Claim]) -> np.ndarray | None:
    """The gradients of these claims, at the elements whose truth is known, as one vector."""
    assert judge.point is not None
    parts = []
    for claim in claims:
        got = values.as_array(outcome.gradients.get(claim.name))
        if got is None or got.shape != judge.point.shapes[claim.name]:
            return None
        parts.append(got.reshape(-1)[judge.point.truth[claim.name].elements])
    return np.concatenate(parts) if parts else None


def target(judge: Judge, visit: Visit, base: Outcome, wrong: frozenset[str]) -> Target | None:
    """What a statement that ran once should have computed.

    None where it cannot be said: more than one run, too many elements, not linear."""
    assert judge.point is not None
    if visit.count != 1 or not visit.results or not isinstance(visit.results[0], np.ndarray):
        return None
    v = visit.results[0]
    if v.dtype.kind != "f" or v.size > MOST_COLUMNS or not np.all(np.isfinite(v)):
        return None
    usable = [
        c
        for c in judge.claims
        if values.shape(base.gradients.get(c.name)) == judge.point.shapes[c.name]
    ]
    start = vector(base, judge, usable)
    if start is None or not np.all(np.isfinite(start)):
        return None
    columns = []
    for k in range(v.size):
        moved = v.copy()
        moved.reshape(-1)[k] += 1.0
        found = _run_with(judge, visit, moved)
        column = None if found is None else vector(found, judge, usable)
        if column is None:
            return None
        columns.append(column - start)
    matrix = np.stack(columns, axis=1)
    rng: Any = np.random.default_rng(1)
    step = rng.normal(size=v.shape)
    check = _run_with(judge, visit, v + step)
    predicted = start + matrix @ step.reshape(-1)
    actual = None if check is None else vector(check, judge, usable)
    if actual is None or not np.allclose(
        actual, predicted, rtol=1e-6, atol=1e-8 * max(1.0, float(np.abs(actual).max()))
    ):
        return None
    sizes = [len(judge.point.truth[c.name].elements) for c in usable]
    bounds = np.cumsum([0, *sizes])
    truth = np.concatenate([judge.point.truth[c.name].value for c in usable])
    kinked = np.concatenate([judge.point.truth[c.name].kinks for c in usable])
    need = truth - start
    need[kinked] = 0.0
    keep = ~kinked
    rows = [slice(bounds[k], bounds[k + 1]) for k in range(len(usable))]
    chosen = [k for k, c in enumerate(usable) if c.name in wrong]
    solved = _consistent(matrix, need, keep, rows, list(range(len(usable))))
    if solved is not None:
        names_ = frozenset(c.name for c in usable if c.name in wrong)
        return Target(_value(v, matrix[keep], solved), names_)
    # Two mistakes: those that it could make right without spoiling a right one.
    right = [k for k, c in enumerate(usable) if c.name not in wrong]
    alone = [
        k
        for k in chosen
        if _consistent(matrix, need, keep, rows, [*right, k]) is not None
        and np.abs(matrix[rows[k]]).max() > 1e-12
    ]
    if not alone:
        return Target(None, frozenset())
    together = _consistent(matrix, need, keep, rows, [*right, *alone])
    return Target(
        _value(v, matrix[keep], together) if together is not None else None,
        frozenset(usable[k].name for k in alone),
    )


def _consistent(
    matrix: np.ndarray, need: np.ndarray, keep: np.ndarray, rows: list[slice], which: list[int]
) -> np.ndarray | None:
    """x with A x = need in these rows, or None."""
    if not which:
        return None
    index = np.concatenate([np.arange(rows[k].start, rows[k].stop) for k in which])
    index = index[keep[index]]
    a, b = matrix[index], need[index]
    x: np.ndarray = np.linalg.lstsq(a, b, rcond=1e-9)[0]
    size = max(float(np.abs(b).max(initial=0)), 1e-9)
    return x if float(np.abs(a @ x - b).max(initial=0)) < 2e-5 * size else None


def _value(v: np.ndarray, matrix: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """v + x where A leaves no choice; else nothing."""
    if np.linalg.matrix_rank(matrix, tol=1e-9 * max(1e-30, float(np.abs(matrix).max()))) < v.size:
        return None
    found: np.ndarray = v + x.reshape(v.shape)
    return found


def _run_with(judge: Judge, visit: Visit, value: np.ndarray) -> Outcome | None:
    module = judge.subject.module
    module.listen(visit.site.number, lambda there: value.copy())
    try:
        return judge.subject.run(judge.state)
    except Exception:
        return None
    finally:
        module.quiet()


def exonerated(judge: Judge, suspects: list[Visit], forward: list[Visit]) -> dict[int, str]:
    """Of statements whose value has a gradient's name: "right" where the value is that gradient,
    "scaled" where it is up to a factor, which may be put in later, and "wrong"."""
    assigned: dict[str, Visit] = {}
    for visit in forward:
        name = _target_name(visit.site.statement)
        if name and visit.results and values.is_real(visit.results[0]):
            assigned[name] = visit  # the last assignment is what others read
    found: dict[int, str] = {}
    for visit in suspects:
        name = _target_name(visit.site.statement)
        if (
            name is None
            or visit.count != 1
            or not visit.results
            or isinstance(visit.site.statement, ast.AugAssign)
        ):
            continue
        g = values.as_array(visit.results[0])
        partner = next(
            (
                assigned[s]
                for s in sorted(names.stems(name) - {name}, key=len, reverse=True)
                if s in assigned
            ),
            None,
        )
        if (
            g is None
            or partner is None
            or partner.count != 1
            or values.shape(partner.results[0]) != g.shape
            or g.size == 0
        ):
            continue
        ratios = []
        for seed in (1, 2, 3):
            d = np.random.default_rng(seed).normal(size=g.shape)
            slope = _along(judge, partner, d)
            own = float((g * d).sum())
            if slope is None:
                break
            ratios.append((slope, own))
        if len(ratios) == 3:
            found[visit.site.number] = _proportional(ratios)
    return found


def _proportional(ratios: list[tuple[float, float]]) -> str:
    slopes = np.array([r[0] for r in ratios])
    own = np.array([r[1] for r in ratios])
    norm = float(np.linalg.norm(own))
    if norm == 0 or float(np.linalg.norm(slopes)) == 0:
        return "wrong" if norm != float(np.linalg.norm(slopes)) else "right"
    factor = float(slopes @ own) / norm**2
    if np.abs(slopes - factor * own).max() > 1e-5 * np.abs(slopes).max():
        return "wrong"
    return "right" if abs(factor - 1) < 1e-5 else "scaled"


def _along(judge: Judge, visit: Visit, direction: np.ndarray) -> float | None:
    """The slope of the loss when a value of the forward moves along a direction."""
    module, losses = judge.subject.module, []
    site = visit.site
    for h in (1e-5, -1e-5):

        def handler(there: dict[str, Any], h: float = h) -> Any:
            value = module.evaluate(site.code, there)
            if values.is_tensor(value):
                import torch

                return value + h * torch.from_numpy(direction).to(value.dtype)
            return value + h * direction

        module.listen(site.number, handler)
        try:
            losses.append(judge.subject.loss(judge.state))
        except Exception:
            return None
        finally:
            module.quiet()
    return (losses[0] - losses[1]) / 2e-5


def _target_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        t = statement.targets[0]
        if isinstance(t, ast.Name):
            return t.id
        if isinstance(t, ast.Attribute):
            return t.attr
        if (
            isinstance(t, ast.Subscript)
            and isinstance(t.slice, ast.Constant)
            and isinstance(t.slice.value, str)
        ):
            return t.slice.value
    return None
