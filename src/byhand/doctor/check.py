"""The flow of a check: load, find, certify, repair, report."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from byhand.doctor import certify, find, loading, shape_annotations, values
from byhand.doctor.certify import Claim
from byhand.doctor.diagnose import diagnose
from byhand.doctor.instrument import Instrumented
from byhand.doctor.report import Report
from byhand.doctor.results import CannotBind
from byhand.doctor.subject import Outcome, Subject
from byhand.errors import InputError


def check_file(
    path: str | Path,
    name: str | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    of: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Check the gradients of a file; what keeps them from being checked is in the report."""
    path = Path(path)
    target = f"{path}::{name}" if name else str(path)
    try:
        text = loading.read(path)
        module = loading.load(text, path)
        given = None if inputs is None else dict(inputs)
        return _check(module, text, target, name, given, dict(of or {}), seed)
    except InputError as error:
        return Report(target, "error", reason=str(error))


def check(
    forward: Any,
    backward: Any,
    inputs: Mapping[str, Any],
    *,
    of: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Check two functions, or two methods of a class, of one file of the user's.

    inputs      the forward's keyword arguments

    Raises      InputError where their source cannot be read
    """
    try:
        path = Path(inspect.getsourcefile(forward) or "")
    except TypeError:
        raise InputError(
            f"check needs functions written in Python, found {type(forward).__name__}"
        ) from None
    name = getattr(backward or forward, "__qualname__", "").split(".<locals>.")[-1]
    return check_file(path, name, inputs=inputs, of=of, seed=seed)


def _check(
    module: Instrumented,
    text: str,
    target: str,
    name: str | None,
    inputs: dict[str, Any] | None,
    of: dict[str, str],
    seed: int,
) -> Report:
    case = None
    for given in _offers(module, text, inputs, seed):
        case = settle(module, in_double(given), name, of)
        if case is not None:
            break
    if case is None:
        raise find.refuse(module, name)
    subject, outcome, found = case
    return diagnose(module, text, target, subject, outcome, found, _more(module, inputs, seed))


def _offers(
    module: Instrumented, text: str, inputs: dict[str, Any] | None, seed: int
) -> list[dict[str, Any]]:
    """The inputs to try: the caller's, the file's example, or made from shape annotations.

    Raises      InputError that shows the lines to add
    """
    given = inputs if inputs is not None else loading.example(module, seed)
    if given is not None:
        return [given]
    made = shape_annotations.candidates(ast.parse(text), seed)
    if made:
        return made
    raise InputError(
        "there are no inputs to run it with; add to the file, with the forward's own arguments:\n"
        "    def example(rng):\n"
        '        return {"x": rng.normal(size=(3, 4)), "W": rng.normal(size=(4, 5))}'
    )


def _more(module: Instrumented, inputs: dict[str, Any] | None, seed: int) -> list[dict[str, Any]]:
    """Other inputs, of other seeds."""
    if inputs is not None:
        return []
    again = loading.example(module, seed + 1)
    return [] if again is None else [in_double(again)]


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
    plain = 0.0
    for score, plan in find.plans(module, given, name):
        if best is not None and score < best[0] - 4.5:
            break
        subject = None
        try:
            subject = find.build(module, plan, given)
            subject.loss(subject.start)
        except CannotBind:
            continue
        except Exception as error:
            # One function does both, so what is raised may come from its backward.
            if subject is not None and plan.backward is None and _of_shapes(error):
                raised = raised or (score, subject, error)
            continue
        try:
            outcome = subject.run(subject.start)
        except CannotBind:
            continue
        except Exception as error:
            if plan.backward is not None and (raised is None or score > raised[0]):
                raised = (score, subject, error)
            continue
        slopes = certify.Slopes(subject)
        found = certify.claims(subject, outcome, of, slopes)
        if not found:
            continue
        right = sum(slopes.fits(c.of, outcome.gradients[c.name]) for c in found)
        worth = score + 0.3 * min(3, len(found)) + 2.5 * (right > 0) + 1.0 * right / len(found)
        if best is None or worth > best[0]:
            best = (worth, subject, outcome, found)
            plain = score
    if best is not None and (raised is None or raised[0] < plain + 0.5):
        return best[1:]
    if raised is not None:
        return raised[1], raised[2], []
    return None


def _of_shapes(error: Exception) -> bool:
    return isinstance(error, ValueError | IndexError)
