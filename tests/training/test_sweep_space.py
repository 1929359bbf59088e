from __future__ import annotations

import math

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.training.sweep_space import Setting, draw_all, settings

SPACES = settings(
    ["a=log(1e-3,1)", "b=uniform(-2, 2)", "c=int(1,3)", "d=choice([2,4],adam,'x,y')", "e=7"]
)


def test_the_forms() -> None:
    assert [
        Setting("a", "log", ("1e-3", "1")),
        Setting("b", "uniform", ("-2", "2")),
        Setting("c", "int", ("1", "3")),
        Setting("d", "choice", ("[2,4]", "adam", "'x,y'")),
        Setting("e", "fixed", ("7",)),
    ] == SPACES
    assert [space.varies for space in SPACES] == [True, True, True, True, False]


def test_a_value_may_have_brackets_of_its_own() -> None:
    fixed = settings(["a=int(1,2)", "b=[1, 2]"])[1]
    assert fixed == Setting("b", "fixed", ("[1, 2]",))


def test_what_is_drawn_fills_its_space() -> None:
    drawn = draw_all(SPACES, 600, seed=0)
    logs = np.log10([float(values["a"]) for values in drawn])
    assert logs.min() > -3
    assert logs.max() < 0
    # Uniform in the logarithm: a third in each decade, with a standard deviation of 2 %.
    assert np.histogram(logs, [-3, -2, -1, 0])[0] / 600 == pytest.approx(1 / 3, abs=0.08)
    plain = np.array([float(values["b"]) for values in drawn])
    assert plain.min() > -2
    assert plain.max() < 2
    assert plain.mean() == pytest.approx(0, abs=4 * 2 / math.sqrt(3 * 600))
    assert {values["c"] for values in drawn} == {"1", "2", "3"}
    assert {values["d"] for values in drawn} == {"[2,4]", "adam", "'x,y'"}
    assert {values["e"] for values in drawn} == {"7"}


def test_a_seed_is_a_list_of_trials_and_more_begin_with_the_same() -> None:
    assert draw_all(SPACES, 5, seed=3) == draw_all(SPACES, 9, seed=3)[:5]
    assert draw_all(SPACES, 5, seed=3) != draw_all(SPACES, 5, seed=4)


FORMS = "log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH), choice(A,B,…) or a plain value"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["a"], f"--set takes KEY={FORMS}; found 'a'"),
        (["=log(1,2)"], f"--set takes KEY={FORMS}; found '=log(1,2)'"),
        (["a=lag(1,2)"], f"--set a=lag(1,2): no space 'lag'; expected {FORMS}"),
        (["a=log(0,1)"], "--set a=log(0,1): expected 0 < LOW < HIGH, found 0 and 1"),
        (["a=uniform(2,1)"], "--set a=uniform(2,1): expected LOW < HIGH, found 2 and 1"),
        (["a=uniform(1)"], "--set a=uniform(1): expected two numbers, found '1'"),
        (["a=uniform(0,inf)"], "--set a=uniform(0,inf): expected LOW < HIGH, found 0 and inf"),
        (["a=int(1,2.5)"], "--set a=int(1,2.5): expected two whole numbers, found '1, 2.5'"),
        (["a=choice(1)"], "--set a=choice(1): choice takes two values or more, found '1'"),
        (["a=int(1,2)", "a=3"], "--set a is given 2 times, expected once"),
        (
            ["a=3"],
            "nothing to sweep: expected a --set KEY= with log(LOW,HIGH), uniform(LOW,HIGH), "
            "int(LOW,HIGH), choice(A,B,…)",
        ),
    ],
)
def test_what_is_no_space(changes: list[str], text: str) -> None:
    with pytest.raises(InputError) as error:
        settings(changes)
    assert str(error.value) == text
