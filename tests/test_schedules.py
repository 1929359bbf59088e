from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch

from byhand import schedules
from byhand.errors import InputError
from byhand.schedules import (
    Constant,
    Cosine,
    HalveOnPlateau,
    InverseSquareRoot,
    Plan,
    Schedule,
    Step,
    WarmUp,
)

PLAN = Plan(steps_per_epoch=10, total_steps=100)
EXAMPLES: list[Schedule] = [
    Constant(),
    Step(every=3, gamma=0.5),
    Cosine(final=0.1),
    WarmUp(15, Cosine()),
    InverseSquareRoot(15),
    HalveOnPlateau(patience=2),
]
every_schedule = pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda s: type(s).__name__)


def after(*scores: float) -> Plan:
    return Plan(steps_per_epoch=10, total_steps=1000, scores=scores)


def test_every_schedule_has_an_example() -> None:
    kinds = {
        value
        for value in vars(schedules).values()
        if isinstance(value, type) and issubclass(value, Schedule) and value is not Schedule
    }
    assert kinds == {type(schedule) for schedule in EXAMPLES}


def test_constant() -> None:
    assert [Constant().factor(step, PLAN) for step in (0, 50, 1000)] == [1, 1, 1]


def test_step_falls_at_the_end_of_an_epoch() -> None:
    schedule = Step(every=3, gamma=0.5)
    factors = [schedule.factor(step, PLAN) for step in (0, 29, 30, 59, 60, 90)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.125]
    assert Step(every=1).factor(20, PLAN) == pytest.approx(0.01)


def test_cosine_goes_from_one_to_its_final_value() -> None:
    factors = [Cosine().factor(step, PLAN) for step in (0, 25, 50, 75, 100, 250)]
    expected = [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4, 0, 0]
    assert factors == pytest.approx(expected, abs=1e-15)
    lifted = [Cosine(final=0.2).factor(step, PLAN) for step in (0, 50, 100)]
    assert lifted == pytest.approx([1, 0.6, 0.2], abs=1e-15)


def test_warm_up_rises_and_hands_over() -> None:
    factors = [WarmUp(4).factor(step, PLAN) for step in range(6)]
    assert factors == [0.25, 0.5, 0.75, 1, 1, 1]
    assert WarmUp(4, Step(every=1, gamma=0.5)).factor(15, PLAN) == 0.5
    warm = WarmUp(20, Cosine())
    assert warm.factor(9, PLAN) == pytest.approx(0.5 * Cosine().factor(9, PLAN), rel=1e-15)
    assert warm.factor(50, PLAN) == pytest.approx(0.5, rel=1e-15)
    assert warm.factor(100, PLAN) == pytest.approx(0, abs=1e-15)


def test_the_rate_of_the_transformers_paper() -> None:
    """As its eq. 3 has it, with the highest rate as that of the optimizer."""
    d, w = 512, 4000
    highest = (d * w) ** -0.5
    assert highest == pytest.approx(0.0007, abs=1e-5)
    for step in (0, 1, 1999, 3999, 4000, 99_999):
        s = step + 1
        published = d**-0.5 * min(s**-0.5, s * w**-1.5)
        assert highest * InverseSquareRoot(w).factor(step, PLAN) == pytest.approx(published)
    assert InverseSquareRoot(w).factor(w - 1, PLAN) == 1


@pytest.mark.parametrize(
    ("scores", "factor"),
    [
        ((), 1),
        ((0.9,), 1),
        ((0.9, 0.8), 1),
        ((0.9, 0.8, 0.85), 0.5),
        ((0.9, 0.9, 0.9), 0.5),
        ((0.9, 0.8, 0.91), 1),
        ((0.9, 0.8, 0.7, 0.8), 0.5),
        ((0.9, 0.8, 0.7, 0.8, 0.8), 0.25),
        ((0.9, 0.8, 0.7, 0.95, 0.8), 0.5),
        ((0.9, 0.8, 0.7, 0.95, 0.8, 0.8), 0.25),
        ((0.9, math.nan, 0.7), 0.5),
    ],
)
def test_halved_when_validation_stalls(scores: Sequence[float], factor: float) -> None:
    assert HalveOnPlateau(patience=2).factor(0, after(*scores)) == factor


def test_training_ends_when_the_factor_is_a_128th() -> None:
    """Seven halvings, as in Nielsen's exercise."""
    schedule = HalveOnPlateau(patience=1)
    assert schedule.factor(0, after(*[0.5] * 8)) == 1 / 128
    assert [schedule.finished(after(*[0.5] * n)) for n in (0, 1, 7, 8, 9)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    warm = WarmUp(5, schedule)
    assert [warm.finished(after(*[0.5] * n)) for n in (7, 8)] == [False, True]
    assert not HalveOnPlateau(patience=1, smallest=0.001).finished(after(*[0.5] * 8))


@every_schedule
def test_the_factors_of_steps_in_a_row_are_those_of_each(schedule: Schedule) -> None:
    plan = Plan(10, 100, scores=(0.5, 0.4, 0.4, 0.4))
    for first, count in ((0, 120), (7, 1), (33, 50), (5, 0)):
        expected = [schedule.factor(step, plan) for step in range(first, first + count)]
        assert schedule.factors(first, count, plan) == expected
    assert schedule.factor(5, plan) > 0


@pytest.mark.parametrize("schedule", EXAMPLES[:3], ids=lambda s: type(s).__name__)
def test_the_others_never_end_a_run(schedule: Schedule) -> None:
    assert not schedule.finished(after(*[0.5] * 100))


@every_schedule
def test_a_schedule_has_no_state(schedule: Schedule) -> None:
    """Asked in any order, as often as one likes, the answers are the same."""
    plan = Plan(10, 100, scores=(0.5, 0.4, 0.4, 0.4))
    forwards = [schedule.factor(step, plan) for step in range(120)]
    backwards = [schedule.factor(step, plan) for step in reversed(range(120))]
    assert forwards == backwards[::-1]
    assert all(type(factor) is float and 0 <= factor <= 1 for factor in forwards)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        schedule.memory = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "make", "epochs"),
    [
        (Step(3, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 30, 0.5), 10),
        (Cosine(0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 100, 0.1), 10),
    ],
    ids=["Step", "Cosine"],
)
def test_factors_are_pytorchs(ours: Schedule, make: Callable[[Any], Any], epochs: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = make(optimizer)
    for step in range(10 * epochs):
        assert ours.factor(step, PLAN) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Step(0), "every is a number of epochs, at least 1, found 0"),
        (lambda: WarmUp(0), "steps is at least 1, found 0"),
        (lambda: InverseSquareRoot(0), "warm_up is a number of steps, at least 1, found 0"),
        (
            lambda: HalveOnPlateau(patience=0),
            "patience is a number of epochs, at least 1, found 0",
        ),
    ],
)
def test_settings_out_of_range(make: Callable[[], Schedule], text: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == text
