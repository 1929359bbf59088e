"""Shapes in words, with the names that the program gives to its axes."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.doctor import check_file
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


STEP = """
import numpy as np
def relu_backward(g, a):
    return g * (a > 0)
def other_backward(g):
    return g
def net_backprop(x, W1, W2, t):
    h = np.maximum(x @ W1, 0)
    e = h @ W2 - t
    OUT
    return (e**2).sum() / 2, out
def example(rng):
    sizes = {"x": (5, 3), "W1": (3, 4), "W2": (4, 2), "t": (5, 2)}
    return {name: rng.normal(size=size) for name, size in sizes.items()}
"""


@pytest.mark.parametrize(
    "out",
    [
        'out = {"dW2": h.T @ e, "dW1": x.T @ relu_backward(e @ W2, h)}',
        "out = dict(dW2=h.T @ e, dW1=x.T @ relu_backward(e @ W2, h))",
        'out = {}; out["dW2"] = h.T @ e; out["dW1"] = x.T @ relu_backward(e @ W2, h)',
        'out = {"W2": h.T @ e, "W1": x.T @ relu_backward(e @ W2, h)}',
    ],
)
def test_one_function_hands_its_gradients_back_by_name(out: str, tmp_path: Path) -> None:
    named = "dW" in out
    text = STEP if named else STEP.replace("other_backward", "other")
    path = tmp_path / "net.py"
    path.write_text(text.replace("OUT", out), encoding="utf-8")
    report = check_file(path)
    assert report.verdict == "shape"
    (finding,) = report.findings
    assert finding.fix is not None
    assert "e @ W2.T" in finding.fix.new
