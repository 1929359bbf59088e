"""What a part of an expression should have been, from what the whole should have been."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from byhand.doctor import parts
from byhand.doctor.expressions import Evaluator
from byhand.doctor.stock import Wanted

RNG = np.random.default_rng(0)
SCOPE = {
    "np": np,
    "a": RNG.normal(size=(2, 3)),
    "b": RNG.normal(size=(2, 3)),
    "W": RNG.normal(size=(3, 4)),
}


def evaluated(text: str) -> np.ndarray:
    found = eval(text, dict(SCOPE))
    values = list(found.values()) if isinstance(found, dict) else [found]
    return np.concatenate([np.ravel(value) for value in values])


def of(wrong: str, right: str) -> dict[str, tuple[np.ndarray, Wanted]]:
    goal = evaluated(right)
    whole = Wanted(np.eye(goal.size), goal, goal.shape)
    root = ast.parse(wrong, mode="eval").body
    found = parts.of(root, whole, Evaluator(dict(SCOPE), ast.walk(root)))
    return {ast.unparse(node): (value, known) for node, value, known in found}


@pytest.mark.parametrize(
    ("wrong", "right", "part", "wanted"),
    [
        ("np.hstack([a * b, b * b])", "np.hstack([a * b, a * a])", "b * b", "a * a"),
        ("{'i': a * b, 'f': b}", "{'i': a, 'f': b}", "a * b", "a"),
        ("(a - b) @ W", "(a - 2 * b) @ W", "a - b", "a - 2 * b"),
        ("np.sum(a * a, axis=0)", "np.sum(a * b, axis=0)", "a * a", "a * b"),
    ],
)
def test_the_part_has_what_is_left_of_the_goal(
    wrong: str, right: str, part: str, wanted: str
) -> None:
    value, known = of(wrong, right)[part]
    np.testing.assert_allclose(value.reshape(-1), evaluated(part))
    np.testing.assert_allclose(known.matrix @ evaluated(wanted), known.goal, atol=1e-12)


def test_a_part_that_no_value_helps_is_left_out() -> None:
    assert set(of("np.hstack([a * b, b * b])", "np.hstack([a * b, a * a])")) == {"b * b"}


def test_what_the_whole_is_not_linear_in_is_left_out() -> None:
    assert "a * b" not in of("np.tanh(a * b)", "np.tanh(a)")


def test_functions_written_in_python_are_not_run_again_and_again() -> None:
    SCOPE["keeps"] = lambda value: value
    assert of("keeps(a * b) + a", "a") == {}
