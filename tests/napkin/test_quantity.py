"""Quantities: values, intervals, kinds, units, sensitivities."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from byhand.napkin.quantity import (
    Expression,
    Interval,
    Number,
    ancestors,
    ceil,
    define,
    given,
    largest,
    per,
    sensitivity,
    smallest,
    terms,
    total,
)


def test_whole_numbers_stay_whole() -> None:
    n, b = given("N", 6_738_415_616, "parameter"), given("b", Fraction(9, 2), "B/parameter")
    w = define("w", "W", n * b, "B", "weights")
    assert w.value == 30_322_870_272
    assert isinstance(w.value, int)
    assert define("h", "h", w / 2**80, "B", "half").value == Fraction(30_322_870_272, 2**80)


def test_a_forgotten_factor_is_a_unit_error() -> None:
    n = given("N", 7, "parameter")
    with pytest.raises(ValueError, match="W: expected B, found parameter"):
        define("w", "W", n * 2, "B", "weights")
    with pytest.raises(ValueError, match="of parameter and 1"):
        _ = (n + 1).unit


def test_what_is_derived_is_as_sure_as_its_least_sure_input() -> None:
    known, guessed = given("a", 2), given("b", 3, low=2, high=4)
    assert guessed.kind == "assumed"
    product = define("p", "p", known * guessed, "1", "product")
    assert (product.kind, product.low, product.value, product.high) == ("assumed", 4, 6, 8)
    assert define("m", "m", known * 2, "1", "", kind="modelled").kind == "modelled"
    assert define("e", "e", known * 2, "1", "").kind == "exact"


def test_differences_and_quotients_take_the_other_end() -> None:
    a, b = given("a", 10, low=9, high=12), given("b", 2, low=1, high=4)
    assert (a - b).evaluate({}) == Interval(5, 8, 11)
    assert (a / b).evaluate({}) == Interval(Fraction(9, 4), 5, 12)


def test_phases_blocks_and_sums() -> None:
    a, b = given("a", 10, "B"), given("b", 7, "B")
    assert largest(a, b, 12).evaluate({}).value == 12
    assert smallest(a, b).evaluate({}).value == 7
    assert ceil(a / b).evaluate({}).value == 2
    assert total([a, b, a]).evaluate({}).value == 27
    assert terms(total([a, b, a])) == [a, b, a]


def test_inputs_come_before_what_is_derived_from_them() -> None:
    a = given("a", 1)
    b = define("b", "b", a + a, "1", "")
    c = define("c", "c", b * a, "1", "")
    assert [each.symbol for each in ancestors([c])] == ["a", "b", "c"]


def test_sensitivities() -> None:
    a, b = given("a", 30), given("b", 10)
    c = define("c", "c", a * a * b, "1", "")
    assert sensitivity(c, a) == pytest.approx(2, rel=1e-6)
    assert sensitivity(define("d", "d", a + b, "1", ""), b) == pytest.approx(0.25)
    pages = define("p", "p", ceil(a / b) * b, "1", "")
    # A derivative of whole pages would be 0 or infinite; it counts their fractions.
    assert sensitivity(pages, a) == pytest.approx(1)


def test_json() -> None:
    sure = given("T", 4096, "token").as_json()
    assert sure == {"value": 4096, "unit": "token", "kind": "exact"}
    unsure = given("x", Fraction(1, 2), "B", low=0, high=2).as_json()
    assert unsure == {"value": 0.5, "unit": "B", "kind": "assumed", "low": 0, "high": 2}


@st.composite
def intervals(draw: st.DrawFn) -> Expression:
    low, value, high = sorted(draw(st.lists(st.integers(1, 10**6), min_size=3, max_size=3)))
    return given("x", value, low=low, high=high)


def _combined(parts: tuple[str, Expression, Expression]) -> Expression:
    name, a, b = parts
    made = {"+": a + b, "*": a * b, "/": a / b, "<": smallest(a, b), ">": largest(a, b)}
    return made[name]


@drawn(
    st.recursive(
        intervals() | st.integers(1, 1000).map(Number),
        lambda inner: st.tuples(st.sampled_from("+*/<>"), inner, inner).map(_combined),
        max_leaves=12,
    )
)
def test_the_expected_value_lies_in_its_interval(expression: Expression) -> None:
    found = expression.evaluate({})
    assert found.low <= found.value <= found.high


def test_a_unit_of_a_number_is_checked_and_not_seen() -> None:
    assert (per("1/token", 1) * given("T", 5, "token")).unit == given("n", 1).unit
