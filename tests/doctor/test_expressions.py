"""An expression evaluated node by node has the value that Python gives it."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from byhand.doctor.expressions import Evaluator

X = np.arange(6.0).reshape(2, 3)
SCOPE: dict[str, Any] = {"np": np, "x": X, "d": {"w": X.T}, "k": 2, "layers": [X, -X]}
EXPRESSIONS = (
    "x @ d['w'] * 2 - 1",
    "-x.T",
    "np.sum(x, axis=1, keepdims=True) / k",
    "layers[-1][:, 1:]",
    "(x > 2) & ~(x == 4)",
    "x[::-1, ::-1] ** 2",
    "[(len(layers), 1), (k, 3)]",
    "[a.sum() for a in layers]",
    "x if k > 1 else None",
    "1 < k <= 2",
    "max(*[1, 2], k)",
    "x.astype(np.float32).dtype.name",  # read as double precision, as the whole program is
)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_value_is_pythons(text: str) -> None:
    node = ast.parse(text, mode="eval").body
    found = Evaluator(SCOPE).value(node)
    expected = eval(text.replace("float32", "float64"), dict(SCOPE))
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)


def test_what_python_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="matmul"):
        Evaluator(SCOPE).value(ast.parse("x @ x", mode="eval").body)
    with pytest.raises(AttributeError):
        Evaluator(SCOPE).value(ast.parse("unheard_of", mode="eval").body)


def test_shared_nodes_are_evaluated_once() -> None:
    calls = []
    scope = {"f": lambda: calls.append(1) or 3}
    root = ast.parse("f() + 1", mode="eval").body
    evaluator = Evaluator(scope, ast.walk(root))
    assert isinstance(root, ast.BinOp)
    changed = ast.BinOp(root.left, ast.Mult(), ast.Constant(5))
    assert (evaluator.value(root), evaluator.value(changed)) == (4, 15)
    assert len(calls) == 1
