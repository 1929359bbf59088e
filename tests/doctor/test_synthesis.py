"""Expressions made of what is in scope that have a wanted value."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import pytest

from byhand.doctor.edits import Atom
from byhand.doctor.stock import Stock, Wanted, factor_text
from byhand.doctor.synthesis import proposals

RNG = np.random.default_rng(0)
SCOPE = {
    "np": np,
    "g": RNG.normal(size=(5, 3)),
    "p": RNG.random((5, 3)),
    "h": RNG.normal(size=(5, 4)),
    "W": RNG.normal(size=(4, 3)),
    "s": RNG.random(3),
    "m": 7,
}
CASES = {
    "a number": ("g * p", "g * p / m", "scale"),
    "a sign": ("g * p", "-(g * p)", "sign"),
    "a factor": ("g", "g * s", "missing-factor"),
    "a derivative": ("g", "g * (1 - p ** 2)", "missing-factor"),
    "a term": ("g * p", "g * p + h @ W", "missing-term"),
    "a path through a sum": (
        "p * g",
        "p * g - p * (p * g).sum(axis=1, keepdims=True)",
        "dropped-path",
    ),
    "a mean and a variance": (
        "g * s",
        "(g - g.mean(axis=0, keepdims=True) - p * (g * p).mean(axis=0, keepdims=True)) * s",
        "dropped-path",
    ),
    "softmax": (
        "g * p * (1 - p)",
        "p * (g - (g * p).sum(axis=1, keepdims=True))",
        "diagonal-jacobian",
    ),
    "something else": ("g - p", "h @ W", "wrong-expression"),
}


def evaluated(text: str) -> np.ndarray:
    found: np.ndarray = np.asarray(eval(text, dict(SCOPE)), float)
    return found


def stock() -> Stock:
    arrays = [(ast.Name(n, ast.Load()), v) for n, v in SCOPE.items() if isinstance(v, np.ndarray)]
    derived = [(ast.parse("(1 - p ** 2)", mode="eval").body, evaluated("1 - p ** 2"))]
    return Stock(arrays, derived, [Atom("m", 7)], "np")


def wanted(text: str, sees: Callable[[np.ndarray], np.ndarray] = lambda matrix: matrix) -> Wanted:
    value = evaluated(text)
    matrix = sees(np.eye(value.size))
    return Wanted(matrix, matrix @ value.reshape(-1), value.shape)


@pytest.mark.parametrize("case", CASES)
def test_the_cheapest_story_comes_first(case: str) -> None:
    wrong, right, kind = CASES[case]
    root = ast.parse(wrong, mode="eval").body
    first = next(proposals(root, evaluated(wrong), wanted(right), stock()))
    assert first.kind == kind
    np.testing.assert_allclose(evaluated(ast.unparse(first.new)), evaluated(right), rtol=1e-12)


def test_a_value_that_is_seen_in_part_is_enough() -> None:
    """Behind a batch norm the mean of each column is lost."""
    centre = np.eye(15) - np.kron(np.full((5, 5), 0.2), np.eye(3))
    root = ast.parse("g", mode="eval").body
    first = next(proposals(root, evaluated("g"), wanted("g * s", lambda m: centre @ m), stock()))
    assert ast.unparse(first.new) == "g * s"


def test_nothing_is_made_up_for_a_value_that_nothing_has() -> None:
    value = RNG.normal(size=(5, 3))
    nobody = Wanted(np.eye(15), value.reshape(-1), value.shape)
    root = ast.parse("g * p", mode="eval").body
    assert list(proposals(root, evaluated("g * p"), nobody, stock())) == []


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (1.0, ""),
        (2.0, "2"),
        (0.5, "0.5"),
        (7.0, "m"),
        (1 / 7, "1 / m"),
        (14.0, "2 * m"),
        (7**0.5, "m ** 0.5"),
        (0.3, "lam"),
        (0.7, "(1 - lam)"),
        (0.3 / 7, "lam / m"),
        (1.2345, None),
    ],
)
def test_a_number_in_words(factor: float, text: str | None) -> None:
    assert factor_text(factor, [Atom("m", 7), Atom("lam", 0.3)]) == text
