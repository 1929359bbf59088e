"""What an example leaves out and a mistake may hide behind: a single one, a 0 or a 1, one sign, a
stride of 1, indices that never come twice.

A right program is right wherever it runs. Only what a program may rely on stays as it is: that the
targets of an example sum to 1, that a label is one of two, that one number is another's inverse."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from byhand.doctor import contrasts, find, guards, oracle, usage, values
from byhand.doctor.claims import Claim
from byhand.doctor.subject import Outcome, State, Subject
from byhand.doctor.values import Path

SLOW = 0.05
"""Seconds of a run from which on there is no time for this."""
SECONDS = 0.3
"""Of computing, from which on nothing more is tried; of waiting three times as many."""


class Variety:
    """Other states of a program, near one that it runs in."""

    def __init__(self, subject: Subject, claims: list[Claim]) -> None:
        self.subject = subject
        self.claims = claims
        self.claimed = [claim.of for claim in claims]

    def filled(self, state: State) -> State:
        """The state with no number at 0 or 1 that the loss goes with, such as λ, and no zeros in
        the place of a first state."""
        found = state.copy()
        alone = contrasts.has_one(self.claimed, state)  # and a 1 may say so
        for path, value in self._free(state):
            if _is_zeros(value):
                rng = np.random.default_rng(6)
                self._move(found, path, 0.5 * rng.normal(size=value.shape))
            elif _is_setting(path, value) and not (alone and value):
                self._move(found, path, np.asarray(_inside(value) - value))
        for name, value in self.subject.left_out().items():
            if type(value) is float and _is_setting((name,), value):
                more = State({**found.inputs, name: value}, found.owner, found.world, found.made_of)
                if self._move(more, ("inputs", name), np.asarray(_inside(value) - value)):
                    found = more
        return found

    def varied(self, state: State) -> State | None:
        """A state with what else is left out, where a gradient looks wrong with it; None where
        none does.

        What is put in stays while more is tried, if the program runs with it."""
        clocks = (time.thread_time, SECONDS), (time.perf_counter, 3 * SECONDS)
        ends = [clock() + seconds for clock, seconds in clocks]
        wide = next(filter(self._outcome, self._more_examples(state)), None)
        if self._looks_wrong(state):
            return wide
        found = state if wide is None else wide
        if wide is not None and self._looks_wrong(wide):
            return wide
        for candidate in contrasts.all_examples(self.subject, self.claimed, state):
            if wide is None and self._outcome(candidate, summed=False):
                return candidate
        if self.subject.quickest > SLOW:
            return None
        for contrast, stays in self._contrasts(found):
            loss: float | None = None
            for candidate in contrast(found):
                loss = self._loss(found) if loss is None else loss
                outcome = self._outcome(candidate, loss)
                if outcome is not None:
                    if self._is_wrong(candidate, outcome):
                        return candidate
                    found = candidate if stays else found
                    break
            if any(clock() > end for (clock, _), end in zip(clocks, ends, strict=True)):
                break
        return None

    def _contrasts(self, state: State) -> Iterator[tuple[Callable[[State], Iterable[State]], bool]]:
        """Functions that give states to try, the best first, and whether the rest is tried with
        that too."""
        subject, claimed = self.subject, self.claimed
        yield self._constructed, True
        for contrast in (contrasts.in_training, contrasts.masked, contrasts.repeating):
            yield partial(contrast, subject, claimed), True
        for cut in contrasts.unequal(claimed, state, self._holds):
            yield cut, False
        for contrast in (contrasts.left_behind, contrasts.signs):
            yield partial(contrast, subject, claimed), True
        for factor in (3, 10) if usage.has_limits(subject) else ():
            yield partial(contrasts.farther, claimed, factor), False
        start = self.subject.start
        for path in self._counts(start.inputs):
            yield partial(self._one_more, path=path), True
        for path in self._counts(start.made_of):
            yield partial(self._made_with_one_more, path=path), True

    def _more_examples(self, state: State) -> Iterator[State]:
        """With three where there is one, and a number that says so."""
        ones = [
            ("inputs", *path)
            for path, value in values.leaves(state.inputs)
            if type(value) is int and value == 1
        ]
        counts: list[Path] | None = None
        for wide in contrasts.examples(self.subject, self.claimed, state):
            if counts is None:
                counts = [path for path in ones if self._goes_with(state, path, np.asarray(1))]
            for path in counts:
                wide.put(path, contrasts.EXAMPLES)
            yield wide

    def _loss(self, state: State) -> float:
        try:
            return self.subject.loss(state)
        except Exception:
            return math.nan

    def _outcome(
        self, state: State, before: float = math.nan, summed: bool = True
    ) -> Outcome | None:
        """A run at a state; None where the program does not run there, always alike, with gradients
        that can be right, or has the same loss as before.

        summed      False: a parameter's gradient may have a row or a column for each example
        """
        loss = self._loss(state)
        if not math.isfinite(loss) or math.isclose(loss, before, rel_tol=1e-9):
            return None
        try:
            outcome = self.subject.run(state)
        except Exception:
            return None
        steady = math.isclose(loss, outcome.loss, rel_tol=1e-9)
        fit = all(self._fits(claim, outcome, state, summed) for claim in self.claims)
        return outcome if steady and fit else None

    def _fits(self, claim: Claim, outcome: Outcome, state: State, summed: bool) -> bool:
        got = values.as_array(outcome.gradients.get(claim.name))
        shape = values.shape(state.get(claim.of))
        if got is None or not np.isfinite(got).all():
            return False
        if got.shape == shape or got.size == math.prod(shape) == 1:
            return True
        parameter = claim.of[0] != "inputs" or len(claim.of) > 2
        row = shape[:1] == (1,) and got.shape[1:] == shape[1:]
        column = shape[-1:] == (1,) and got.shape[:-1] == shape[:-1]
        return not summed and parameter and (row or column)

    def _holds(self, state: State) -> bool:
        outcome = self._outcome(state)
        return outcome is not None and not self._is_wrong(state, outcome)

    def _looks_wrong(self, state: State) -> bool:
        outcome = self._outcome(state)
        return outcome is not None and self._is_wrong(state, outcome)

    def _is_wrong(self, state: State, outcome: Outcome) -> bool:
        """Whether a gradient has another slope along a random direction than the loss."""
        rng = np.random.default_rng(12)
        for claim in self.claims:
            nudger = oracle.Nudger(self.subject, state, claim.of)
            direction = nudger.unit() * rng.normal(size=nudger.base.shape)
            gradient = np.asarray(values.as_array(outcome.gradients[claim.name]))
            parts = gradient.reshape(direction.shape) * direction
            try:
                above, below = (nudger.along(h * direction) for h in (1e-5, -1e-5))
            except Exception:
                continue
            off = abs(parts.sum() - (above - below) / 2e-5)
            if not off < 1e-6 * np.linalg.norm(parts) + 1e-9 * abs(above):
                return True
        return False

    def _free(self, state: State) -> list[tuple[Path, Any]]:
        """The inputs and the module's settings that no gradient is of."""
        settings = usage.settings(self.subject.module.tree) & set(state.world)
        found = [(("inputs", *path), v) for path, v in values.leaves(state.inputs)]
        found += [(("world", name), state.world[name]) for name in sorted(settings)]
        return [(path, v) for path, v in found if path not in self.claimed]

    def _move(self, state: State, path: Path, step: np.ndarray) -> bool:
        """Put a value elsewhere if the loss goes with it on a straight line: then it is no label,
        and nothing is compared with it or drawn."""
        if step.ndim == 0 and self._is_default(state, state.get(path)):
            return False
        if not self._goes_with(state, path, step):
            return False
        value = state.get(path)
        there = oracle.like(value if step.ndim else 1.0, np.asarray(value) + step)
        moved = state.copy()
        moved.put(path, there)
        if self._outcome(moved) is None:
            return False
        state.put(path, there)
        return True

    def _goes_with(self, state: State, path: Path, step: np.ndarray) -> bool:
        nudger = oracle.Nudger(self.subject, state, path)
        try:
            return _on_a_line(*(nudger.along(k * 1e-4 * step) for k in range(3)))
        except Exception:
            return False

    def _is_default(self, state: State, value: Any) -> bool:
        """Whether the backward has the number once more, as a default that stays as it is."""
        plan = self.subject.plan
        if plan.backward is None or plan.torch:
            return False
        return any(
            type(p.default) in (int, float) and p.default == value and p.name not in state.inputs
            for p in self.subject.parameters_of_backward()
        )

    def _constructed(self, state: State) -> Iterator[State]:
        """With an object that was made with other numbers than 0 and 1."""
        found = state
        for path, value in list(values.leaves(state.made_of)):
            if _is_setting(path, value):
                step = 1e-4 * (_inside(value) - value)
                tried = [self._made(found, path, value + k * step) for k in range(3)]
                if _on_a_line(*map(self._loss, tried)):
                    found = self._made(found, path, _inside(value))
        if found is not state:
            yield found

    def _made(self, state: State, path: Path, value: Any) -> State:
        """The state with an object that was made with another value and has the same parameters;
        the state itself where there is none."""
        init = values.replaced(values.fresh(state.made_of), path, value)
        made = state.copy()
        try:
            built = find.build(self.subject.module, self.subject.plan, {"init": init})
            made.owner, made.made_of = built.start.owner, init
            for place in self.claimed:
                if place[0] == "owner":
                    made.put(place, values.fresh(state.get(place)))
        except Exception:
            return state
        return made

    def _counts(self, given: dict[str, Any]) -> list[Path]:
        """The numbers that count something, of which there is one or none: a stride, padding,
        heads."""
        found = [p for p, v in values.leaves(given) if type(v) is int and v in (0, 1)]
        named = usage.counts(self.subject) if found else set()
        return [path for path in found if path[-1] in named]

    def _one_more(self, state: State, path: Path) -> Iterator[State]:
        told = state.copy()
        told.put(("inputs", *path), values.get(state.inputs, path) + 1)
        yield told

    def _made_with_one_more(self, state: State, path: Path) -> Iterator[State]:
        yield self._made(state, path, values.get(state.made_of, path) + 1)


def _on_a_line(a: float, b: float, c: float) -> bool:
    """Whether three losses, at equal steps, rise or fall as those of a smooth function do."""
    if not math.isfinite(a + b + c):
        return False
    return abs(b - a) > 1e-11 * max(abs(a), abs(b)) and abs(c - 2 * b + a) < 0.1 * abs(b - a)


def _is_setting(path: Path, value: Any) -> bool:
    """Whether it is a number of its own with which a term or a factor vanishes, and no guard. An
    integer 1 may count what an array has, and numbers in a list may have to sum to 1."""
    whole = value in (0, 1) if values.is_number(value) else type(value) is int and value == 0
    return whole and isinstance(path[-1], str) and not guards.NAMES.search(path[-1])


def _inside(value: Any) -> float:
    return 0.3 if value == 0 else 0.7


def _is_zeros(value: Any) -> bool:
    return isinstance(value, np.ndarray) and values.is_real(value) and not value.any()
