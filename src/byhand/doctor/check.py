"""The flow of a check: load, find, certify, repair, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from byhand.doctor import certify, find, loading, values
from byhand.doctor.certify import Claim, Comparison, Point
from byhand.doctor.instrument import Instrumented
from byhand.doctor.report import Finding, GradientVerdict, Report
from byhand.doctor.subject import CannotBind, Outcome, State, Subject
from byhand.errors import InputError

POINTS = 2


def check_file(
    path: str | Path,
    name: str | None = None,
    *,
    inputs: dict[str, Any] | None = None,
    of: dict[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Check the gradients of a file; what keeps them from being checked is in the report."""
    path = Path(path)
    target = f"{path}::{name}" if name else str(path)
    try:
        text = loading.read(path)
        module = loading.load(text, path)
        return _check(module, text, target, name, inputs, of or {}, seed)
    except InputError as error:
        return Report(target, "error", reason=str(error))


def _check(
    module: Instrumented,
    text: str,
    target: str,
    name: str | None,
    inputs: dict[str, Any] | None,
    of: dict[str, str],
    seed: int,
) -> Report:
    given = inputs if inputs is not None else loading.example(module, seed)
    if given is None:
        raise InputError("no inputs: add def example(rng) that returns the forward's arguments")
    given = in_double(given)
    case = settle(module, given, name, of)
    if case is None:
        raise find.refuse(module, name)
    subject, outcome, found = case
    from byhand.doctor.diagnose import diagnose

    return diagnose(module, text, target, subject, outcome, found, _more(module, inputs, seed))


def _more(module: Instrumented, inputs: dict[str, Any] | None, seed: int) -> list[dict[str, Any]]:
    """Other inputs, of other seeds."""
    if inputs is not None:
        return []
    return [in_double(e) for e in (loading.example(module, seed + 1),) if e is not None]


def in_double(value: Any) -> Any:
    """float32 arrays as float64, where finite differences have ten digits."""
    value = values.fresh(value)
    for path, leaf in list(values.leaves(value)):
        if isinstance(leaf, np.ndarray) and leaf.dtype in (np.float32, np.float16):
            value = values.replaced(value, path, leaf.astype(np.float64))
        elif values.is_tensor(leaf) and leaf.is_floating_point():
            value = values.replaced(value, path, leaf.double())
    return value


def settle(
    module: Instrumented, given: dict[str, Any], name: str | None, of: dict[str, str]
) -> tuple[Subject, Outcome | Exception, list[Claim]] | None:
    """The likeliest plan that runs and whose results are gradients of something."""
    raised: tuple[float, Subject, Exception] | None = None
    best: tuple[float, Subject, Outcome, list[Claim]] | None = None
    for score, plan in find.plans(module, given, name):
        if best is not None and score < best[0] - 4.5:
            break
        try:
            subject = find.build(module, plan, given)
            subject.loss(subject.start)
        except (CannotBind, Exception):
            continue
        try:
            outcome = subject.run(subject.start)
        except CannotBind:
            continue
        except Exception as error:
            if plan.backward is not None and (raised is None or score > raised[0]):
                raised = (score, subject, error)
            continue
        found = certify.claims(subject, outcome, of)
        if not found:
            continue
        fit = certify.Slopes(subject)
        right = sum(fit.fits(c.of, outcome.gradients[c.name]) for c in found)
        worth = score + 0.3 * min(3, len(found)) + 2.5 * (right > 0) + 1.0 * right / len(found)
        if best is None or worth > best[0]:
            best = (worth, subject, outcome, found)
    if best is not None and (raised is None or raised[0] < best[0] + 0.5):
        return best[1:]
    if raised is not None:
        return raised[1], raised[2], []
    return None


__all__ = ["Comparison", "Finding", "GradientVerdict", "Point", "State", "check_file"]
