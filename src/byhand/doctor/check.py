"""The flow of a check: load, find, certify, repair, report."""

from __future__ import annotations

import ast
import contextlib
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from byhand.doctor import (
    binding,
    claims,
    deadline,
    failures,
    find,
    guards,
    loading,
    shape_annotations,
    shrinking,
    surroundings,
    values,
)
from byhand.doctor.diagnose import diagnose
from byhand.doctor.instrument import Instrumented
from byhand.doctor.report import Report
from byhand.doctor.subject import Outcome
from byhand.doctor.trials import Case, TooSlow, settle
from byhand.errors import InputError

SLOW = 0.03
"""Seconds of the quickest run from which on smaller inputs are tried, with axes longer than
MODERATE cut."""
MODERATE = 8


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
    return _report(path, lambda: loading.read(path), {}, name, inputs, of, seed)


def _report(
    path: Path,
    read: Callable[[], str],
    around: Mapping[str, Any],
    name: str | None,
    inputs: Mapping[str, Any] | None,
    of: Mapping[str, str] | None,
    seed: int,
) -> Report:
    target = f"{path}::{name}" if name else str(path)
    given = None if inputs is None else dict(inputs)
    try:
        with surroundings.alone(path):
            text = read()
            began = time.perf_counter()
            loading.import_libraries(text)
            # PyTorch alone may take long to load; what is checked has half of the time at least.
            spent = min(time.perf_counter() - began, deadline.SECONDS / 2)
            with deadline.limit(deadline.SECONDS - spent), surroundings.exact_torch():

                def checked(text: str) -> Report:
                    module = loading.load(text, path, around)
                    how = target, name, given, dict(of or {}), seed
                    return _check(module, text, *how, lambda: _unguarded(text, checked))

                return checked(text)
    except deadline.Late as late:
        return Report(target, "error", reason=failures.slow(late, path))
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
    owner = getattr(forward, "__self__", None)
    if owner is not None:
        # A method may be inherited from another file; the class is what is to be checked.
        with contextlib.suppress(TypeError):
            path = Path(inspect.getsourcefile(type(owner)) or path)
        kind = type(owner).__qualname__.split(".<locals>.")[-1]
        name = f"{kind}.{(backward or forward).__name__}"
        inputs = {"self": owner, **inputs}
    if path.is_file():
        return check_file(path, name, inputs=inputs, of=of, seed=seed)
    # In a notebook: the definitions of its cells, with all else as it is there by now.
    cells = [f for f in (forward, backward) if f is not None]
    around = getattr(forward, "__globals__", {})
    return _report(
        Path("notebook"), lambda: loading.read_cells(cells), around, name, inputs, of, seed
    )


def _check(
    module: Instrumented,
    text: str,
    target: str,
    name: str | None,
    inputs: dict[str, Any] | None,
    of: dict[str, str],
    seed: int,
    unguarded: Callable[[], Report | None],
) -> Report:
    if not (binding.functions(module) or binding.classes(module)):
        raise find.refuse(module, name)
    case, refused = None, None
    for given in _offers(module, text, inputs, seed):
        try:
            case, smaller = _settled(module, given, name, of)
            break
        except InputError as error:
            refused = refused or error
    if case is None:
        raise refused or find.refuse(module, name)
    subject, outcome, found = case
    # Where the inputs are large, a point near them has to do: others cost too much time.
    more = [] if smaller else _more(module, inputs, seed)
    report = diagnose(module, text, target, subject, outcome, found, more, unguarded)
    notes = list(report.notes)
    if smaller:
        cuts = ", ".join(f"{size} for {length}" for length, size in smaller.items())
        notes.append(f"checked with smaller inputs than it was given: {cuts}")
    told = {gradient.of for gradient in report.gradients}
    gone = [name for name in claims.unclaimed(subject, found) if name not in told]
    if gone:
        notes.append(f"no gradient of {', '.join(gone)} was found; --of GRADIENT=VARIABLE names it")
    others = find.others(module, subject.plan) if name is None else []
    if others:
        notes.append(f"not checked: {', '.join(others)}; name each as FILE.py::NAME")
    return replace(report, notes=tuple(notes))


def _unguarded(text: str, checked: Callable[[str], Report]) -> Report | None:
    """The outcome for the text without its guards, with a note of them where it is right; None
    where it has none, or without them nothing can be explained either."""
    small = guards.found(ast.parse(text), text)
    if not small:
        return None
    try:
        report = checked(guards.removed(text, small))
    except InputError:
        return None
    if report.verdict == "right":
        numbers = ", ".join(f"{guard.number} in line {guard.line}" for guard in small)
        note = f"right but for guards against infinity, taken for 0 here: {numbers}"
        return replace(report, notes=(note, *report.notes))
    explained = bool(report.findings) and all(f.fix is not None for f in report.findings)
    return guards.restored(report, text, small) if explained else None


def _settled(
    module: Instrumented, given: dict[str, Any], name: str | None, of: dict[str, str]
) -> tuple[Case, dict[int, int]]:
    """The program, ready to be checked, on smaller inputs where these are large or it is slow, and
    the sizes that stand for the lengths of their axes.

    Raises      InputError
    """
    try:
        return _sized(module, given, name, of)
    except InputError:
        if "init" in given or any(values.is_real(leaf) for _, leaf in values.leaves(given)):
            raise
        raise InputError(
            f"none of {', '.join(given)} is an array of floats, or has one: there is nothing to "
            "differentiate"
        ) from None


def _sized(
    module: Instrumented, given: dict[str, Any], name: str | None, of: dict[str, str]
) -> tuple[Case, dict[int, int]]:
    large = shrinking.large(given)
    small = _smaller(module, given, name, of, shrinking.LONG) if large else None
    if small is not None:
        return small
    try:
        case = settle(module, in_double(given), name, of)
        if isinstance(case[1], Exception) and large:
            return _raising_alike(module, given, name, of, case[1]) or (case, {})
        if case[0].quickest <= SLOW or isinstance(case[1], Exception):
            return case, {}
        return _smaller(module, given, name, of, MODERATE) or (case, {})
    except TooSlow:
        small = _smaller(module, given, name, of, MODERATE)
        if small is None:
            raise
        return small


def _raising_alike(
    module: Instrumented,
    given: dict[str, Any],
    name: str | None,
    of: dict[str, str],
    error: Exception,
) -> tuple[Case, dict[int, int]] | None:
    """All long axes made short, where the same line raises the same then."""

    def spot(error: Outcome | Exception) -> object:
        trace = error.__traceback__ if isinstance(error, Exception) else None
        return type(error), failures.where(trace, Path(module.path))

    to = shrinking.sizes(given, shrinking.LONG, 2)
    try:
        subject, outcome, _ = settle(module, in_double(shrinking.shrunk(given, to)), name, of)
    except InputError:
        return None
    return ((subject, error, []), to) if spot(outcome) == spot(error) else None


def _smaller(
    module: Instrumented,
    given: dict[str, Any],
    name: str | None,
    of: dict[str, str],
    longer_than: int,
) -> tuple[Case, dict[int, int]] | None:
    """All long axes made short, where it runs so; else one after the other, the longest first."""

    def tried(to: dict[int, int]) -> Case | None:
        try:
            case = settle(module, in_double(shrinking.shrunk(given, to)), name, of)
        except InputError:
            return None
        return None if isinstance(case[1], Exception) else case

    wanted: dict[int, int] = {}
    for even in (2, 8):
        wanted = shrinking.sizes(given, longer_than, even)
        case = tried(wanted) if wanted else None
        if case is not None:
            return case, wanted
    kept: dict[int, int] = {}
    for length, size in wanted.items():
        better = tried({**kept, length: size})
        if better is not None:
            case, kept = better, {**kept, length: size}
    return None if case is None else (case, kept)


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
