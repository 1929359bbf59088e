"""Shapes in words, with the names that the program gives to its axes."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from byhand.doctor.shapes import Axes, equation, misfit

TEXT = '''
def forward(x: Float[Array, "batch in"], W, b):
    """One layer.

    W: the weights, (in, out)
    """
    z = x @ W + b  # (batch, out)
    return z
'''
SCOPE: dict[str, Any] = {
    "x": np.zeros((5, 4)),
    "W": np.zeros((4, 3)),
    "z": np.zeros((5, 3)),
    "dz": np.zeros((5, 3)),
    "np": np,
}
AXES = Axes(TEXT, SCOPE)


def value(node: ast.AST) -> Any:
    return eval(ast.unparse(node), dict(SCOPE))


def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def test_names_come_from_annotations_docstrings_and_comments() -> None:
    assert AXES.names == {5: "batch", 4: "in", 3: "out"}
    assert AXES.text((5, 4)) == "(batch 5, in 4)"
    assert AXES.text((3,)) == "(out 3,)"
    assert AXES.text((8, 3)) == "(8, out 3)"


def test_a_size_with_two_names_has_none() -> None:
    square = {"x": np.zeros((5, 4)), "W": np.zeros((4, 4)), "z": np.zeros((5, 4))}
    assert Axes(TEXT, square).names == {5: "batch"}


def test_a_call_in_the_code_names_no_axes() -> None:
    assert Axes("y = f(a, b)\n", {"y": np.zeros((2, 3))}).names == {}


@pytest.mark.parametrize("product", ["x.T @ dz", "x.T.dot(dz)", "np.dot(x.T, dz)"])
def test_the_equation_of_a_product(product: str) -> None:
    said = equation("dW", parsed(product), value, AXES)
    assert said == "dW[in, out] = Σ_batch x[batch, in] · dz[batch, out]"


def test_no_equation_without_names_or_product() -> None:
    assert equation("dW", parsed("x.T @ dz"), value, Axes("", SCOPE)) == ""
    assert equation("dz", parsed("dz * z"), value, AXES) == ""


def test_what_does_not_fit_is_named_with_its_shapes() -> None:
    said = misfit(parsed("2 * (x @ dz)"), value, AXES)
    assert said == "x (batch 5, in 4) @ dz (batch 5, out 3) does not fit"
    assert misfit(parsed("x.T @ dz"), value, AXES) == ""
