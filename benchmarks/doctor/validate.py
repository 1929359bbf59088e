"""Prove the corpus: every right program right, every planted mistake wrong.

    python benchmarks/doctor/validate.py [ROOT]

A right program's gradients agree with central differences of its loss. A mistake leaves the loss as
it was and changes a gradient by more than 1e-3 relative, or raises where it is one of shapes. A
hidden mistake changes nothing at the file's example and something at the generic inputs. One line
for each case that fails, then a count by style; exit 1 where any failed.
"""

from __future__ import annotations

import contextlib
import copy
import io
import random
import sys
import traceback
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _corpus import CorpusError, Mistake, Program, load

CHANGED = 1e-3
ELEMENTS = 40
ROOT = Path(__file__).with_name("programs")

Arrays = dict[str, np.ndarray]


class InvalidError(Exception):
    """A case does not hold what the corpus says of it; the message is one line."""


@dataclass(frozen=True)
class Outcome:
    loss: float
    gradients: Arrays


@dataclass(frozen=True)
class Nudge:
    """One element of one variable moved by `step`."""

    variable: str
    element: int
    step: float


@dataclass(frozen=True)
class Runner:
    """A program's text at one set of inputs, run from scratch each time.

    generic     the inputs of the sheet, in place of those of the file's example
    seed        of the inputs
    """

    program: Program
    text: str
    generic: bool
    seed: int = 0

    def run(self, *nudges: Nudge) -> Outcome:
        """Its loss and gradients."""
        space = self._space(nudges)
        if self.program.make:
            exec(self.program.make, space)
        for nudge in nudges:
            if _in_object(nudge.variable, space):
                _move(space, nudge)
        exec(self.program.call, space)
        gradients = {name: _plain(value) for name, value in space["grads"].items()}
        return Outcome(float(space["loss"]), gradients)

    def variable(self, name: str) -> np.ndarray:
        """What the key `name` of the gradients refers to."""
        space = self._space(())
        if self.program.make:
            exec(self.program.make, space)
        holder: Any = space if _in_object(name, space) else space["inputs"]
        *_, value = _walk(holder, name)
        return _plain(value)

    def _space(self, nudges: Sequence[Nudge]) -> dict[str, Any]:
        module = types.ModuleType(f"corpus_{self.program.path.stem}")
        module.__file__ = str(self.program.path)
        sys.modules[module.__name__] = module
        exec(compile(self.text, self.program.title, "exec"), module.__dict__)
        space: dict[str, Any] = {"m": module, "np": np, "g": cotangent}
        space["torch"] = sys.modules.get("torch")
        rng = space["rng"] = np.random.default_rng(self.seed)
        if self.generic:
            exec(self.program.generic, space)
        else:
            space["inputs"] = module.example(rng)
        space["inputs"] = copy.deepcopy(space["inputs"])
        for nudge in nudges:
            if not _in_object(nudge.variable, space):
                _move(space["inputs"], nudge)
        _seed()
        return space

    def raised_within(self, error: Exception) -> bool:
        """Whether the error comes from the program, not from the sheet's call."""
        frames = traceback.extract_tb(error.__traceback__)
        return any(frame.filename == self.program.title for frame in frames)


def cotangent(array: Any) -> Any:
    """Fixed standard normal numbers of the array's or tensor's shape and type."""
    numbers = np.random.default_rng(7).standard_normal(tuple(np.shape(array)))
    if hasattr(array, "new_tensor"):
        return array.new_tensor(numbers)
    return numbers.astype(getattr(array, "dtype", float))


def _seed() -> None:
    np.random.seed(0)
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _in_object(name: str, space: dict[str, Any]) -> bool:
    first = name.split(".", maxsplit=1)[0]
    return first in ("obj", "m") and first not in space["inputs"]


def _plain(value: Any) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def _walk(holder: Any, name: str) -> Iterator[Any]:
    for part in name.split("."):
        if isinstance(holder, dict):
            holder = holder[part if part in holder else int(part)]
        elif isinstance(holder, list | tuple) and not hasattr(holder, part):
            holder = holder[int(part)]
        else:
            holder = getattr(holder, part)
        yield holder


def _move(holder: Any, nudge: Nudge) -> None:
    above, last = [holder, *_walk(holder, nudge.variable)][-2:]
    array = _plain(last)
    if array.ndim or hasattr(last, "detach"):
        array[np.unravel_index(nudge.element, array.shape)] += nudge.step
        return
    key = nudge.variable.split(".")[-1]
    moved = last + nudge.step
    if isinstance(above, dict):
        above[key if key in above else int(key)] = moved
    elif isinstance(above, list):
        above[int(key)] = moved
    else:
        setattr(above, key, moved)


def relative_error(found: np.ndarray, expected: np.ndarray, floor: float) -> float:
    """max |found − expected| / max(|found|, |expected|, floor); infinite for NaN, other shapes."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    if not found.size:
        return 0.0
    scale = max(np.abs(found).max(), np.abs(expected).max(), floor)
    return float(np.abs(found - expected).max() / scale)


def floor_of(gradients: Arrays) -> float:
    """A gradient that should be zero is judged by the others' size."""
    return 1e-3 * max([1e-5, *(float(np.abs(d).max()) for d in gradients.values() if d.size)])


def check_right(runner: Runner) -> Outcome:
    """The right program's outcome.

    Raises      InvalidError where a gradient disagrees with central differences.
    """
    outcome = runner.run()
    if not outcome.gradients:
        raise InvalidError("expected gradients from the sheet's call, found none; fill grads")
    if runner.run().loss != outcome.loss:
        raise InvalidError("expected the same loss twice, found two; draw from rng or np.random")
    floor, step = floor_of(outcome.gradients), runner.program.step
    for name, gradient in outcome.gradients.items():
        shape = runner.variable(name).shape
        if gradient.shape != shape:
            raise InvalidError(f"{name}: expected a gradient of {shape}, found {gradient.shape}")
        chosen = np.random.default_rng(1).permutation(gradient.size)[:ELEMENTS]
        numbers = [
            (runner.run(Nudge(name, i, step)).loss - runner.run(Nudge(name, i, -step)).loss)
            / (2 * step)
            for i in chosen
        ]
        error = relative_error(gradient.reshape(-1)[chosen], np.array(numbers), floor)
        if not error < runner.program.tolerance:
            raise InvalidError(
                f"{name}: expected central differences, found a relative error of {error:.1e}; "
                "correct the program, or state its tolerance and step"
            )
    return outcome


def check_wrong(runner: Runner, mistake: Mistake, right: Outcome, same: bool) -> None:
    """Check that the mistake does what its sheet says: `same` expects the right gradients.

    Raises      InvalidError where it does not.
    """
    try:
        outcome = runner.run()
    except Exception as error:
        shapes = isinstance(error, ValueError | IndexError | RuntimeError)
        if mistake.shape and shapes and runner.raised_within(error):
            return
        raise
    if mistake.shape:
        raise InvalidError("expected an error of shapes, found none; remove shape = true")
    if outcome.loss != right.loss:
        raise InvalidError("expected the loss as it was, found another; plant it in the backward")
    if outcome.gradients.keys() != right.gradients.keys():
        raise InvalidError("expected the gradients of the right program, found other names")
    floor = floor_of(right.gradients)
    worst = max(
        relative_error(outcome.gradients[name], expected, floor)
        for name, expected in right.gradients.items()
    )
    least = max(CHANGED, 10 * runner.program.tolerance)
    if same and worst > least:
        raise InvalidError(f"expected the example to hide it, found a change of {worst:.1e}")
    if not same and not worst > least:
        raise InvalidError(f"expected a changed gradient, found a change of {worst:.1e}")


def check_double(runner: Runner, mistake: Mistake, right: Outcome) -> None:
    """Check that the mistake is two edits, each of which is a mistake of its own.

    Raises      InvalidError where it is not.
    """
    if len(mistake.edits) != 2:
        raise InvalidError(f"expected two edits, found {len(mistake.edits)}; remove double = true")
    for edit in mistake.edits:
        single = replace(mistake, edits=(edit,), shape=False, double=False)
        text = runner.program.wrong(single)
        check_wrong(replace(runner, text=text), single, right, same=False)


def check(program: Program) -> Iterator[str]:
    """One line for each case of this program that fails."""
    shown = "def example(" in program.source
    if not shown and not program.generic:
        yield f"{program.title}: expected example(rng) or generic in the sheet, found neither"
    right: dict[bool, Outcome] = {}
    for generic in (False, True):
        if program.generic if generic else shown:
            with _judged(program.title) as failure:
                right[generic] = check_right(Runner(program, program.source, generic))
            yield from failure
    for mistake in program.mistakes:
        where = f"{program.title} {mistake.id}"
        if mistake.hidden and True not in right:
            yield f"{where}: expected generic inputs that show what is hidden, found none; add them"
            continue
        for generic, outcome in right.items():
            runner = Runner(program, program.wrong(mistake), generic)
            with _judged(where) as failure:
                check_wrong(runner, mistake, outcome, same=mistake.hidden and not generic)
                if mistake.double:
                    check_double(runner, mistake, outcome)
            yield from failure


def judge(program: Program, text: str) -> list[str]:
    """One line for each set of inputs at which this text's gradients are not those of its loss, or
    its loss is not the program's; empty where it is right."""
    shown = "def example(" in program.source
    lines: list[str] = []
    for generic in (False, True):
        if program.generic if generic else shown:
            with _judged(program.title) as failure:
                expected = Runner(program, program.source, generic).run().loss
                found = check_right(Runner(program, text, generic)).loss
                if not abs(found - expected) <= program.tolerance * abs(expected):
                    raise InvalidError(f"expected the loss {expected:.6g}, found {found:.6g}")
            lines += failure
    return lines


@contextlib.contextmanager
def _judged(where: str) -> Iterator[list[str]]:
    """A list that holds the failure's line afterwards; what the program prints is not shown."""
    failure: list[str] = []
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            yield failure
    except InvalidError as error:
        failure.append(f"{where}: {error}")
    except Exception as error:  # a program of the corpus can raise anything
        place = f"line {traceback.extract_tb(error.__traceback__)[-1].lineno}"
        for frame in traceback.extract_tb(error.__traceback__):
            if where.startswith(frame.filename):
                place = f"line {frame.lineno} of it"
        found = f"{type(error).__name__} in {place}: {' '.join(str(error).split())}"
        failure.append(f"{where}: expected it to run, found {found}")


def summary(programs: list[Program]) -> Iterator[str]:
    """A table: how many of each there are, by style and in all."""
    columns = ("style", "right", "traps", "mistakes", "shape", "double", "hidden")
    yield "{:<12}{:>8}{:>8}{:>10}{:>8}{:>8}{:>8}".format(*columns)
    for style in [*sorted({program.style for program in programs}), "all"]:
        group = [program for program in programs if style in (program.style, "all")]
        planted = [mistake for program in group for mistake in program.mistakes]
        counts = (
            len(group),
            sum(bool(program.trap) for program in group),
            len(planted),
            sum(mistake.shape for mistake in planted),
            sum(mistake.double for mistake in planted),
            sum(mistake.hidden for mistake in planted),
        )
        yield "{:<12}{:>8}{:>8}{:>10}{:>8}{:>8}{:>8}".format(style, *counts)


def main(arguments: list[str]) -> int:
    try:
        programs = load(Path(arguments[0]) if arguments else ROOT)
        failures = 0
        for program in programs:
            for line in check(program):
                print(line, flush=True)
                failures += 1
    except CorpusError as error:
        print(error)
        return 1
    print(*summary(programs), f"{failures} failed", sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
