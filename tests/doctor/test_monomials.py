"""Products of several arrays that have a wanted value."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from byhand.doctor import monomials
from byhand.doctor.stock import Stock, Wanted

RNG = np.random.default_rng(0)
SCOPE = {
    "x": RNG.normal(size=(5, 3)),
    "g": RNG.normal(size=(5, 3)),
    "r": RNG.random((5, 1)) + 0.5,
    "s": RNG.normal(size=3),
    "rows": RNG.normal(size=5),
}


def stock() -> Stock:
    return Stock([(ast.Name(n, ast.Load()), v) for n, v in SCOPE.items()], [], [], "np")


def evaluated(text: str) -> np.ndarray:
    found: np.ndarray = np.asarray(eval(text, {"np": np, **SCOPE}), float)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "x * s",
        "x * g / r",
        "x * r ** 3 * (x * g).sum(axis=1, keepdims=True)",
        "x * g * r * s",
        "-0.5 * g * rows[:, None] ** 2",
    ],
)
def test_a_product_of_up_to_four_parts_is_found(text: str) -> None:
    wanted = evaluated(text)
    node, factor = next(monomials.of(wanted, stock()))
    np.testing.assert_allclose(factor * evaluated(ast.unparse(node)), wanted, rtol=1e-9)


def test_elements_that_are_not_known_may_be_anything() -> None:
    wanted = evaluated("x * g * s")
    wanted[::2, 1] = np.nan
    node, factor = next(monomials.of(wanted, stock()))
    np.testing.assert_allclose(factor * evaluated(ast.unparse(node)), evaluated("x * g * s"))


def test_what_no_product_is_is_not_found() -> None:
    assert list(monomials.of(RNG.normal(size=(5, 3)), stock())) == []
    assert list(monomials.of(evaluated("x + g"), stock())) == []


def test_four_elements_are_too_few_to_tell() -> None:
    assert list(monomials.of(np.array([1.0, 2.0, 3.0, 5.0]), stock())) == []


def test_beside_an_array_a_few_equations_are_enough() -> None:
    see = RNG.normal(size=(9, 15))
    wanted = Wanted(see, see @ evaluated("3 * g * x * s").reshape(-1), (5, 3))
    node, factor = next(monomials.beside(SCOPE["g"], wanted, stock(), 2))
    assert ast.unparse(node) == "x * s"
    assert factor == 3
