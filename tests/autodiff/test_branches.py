"""The record of decisions tells whether two runs went the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from byhand.autodiff import Branch, Branches, Variable, recording

Z = np.array([[-1.0, 2.0, 0.5], [3.0, -0.2, 1.0]])


def record(f: Callable[[Any], Any], x: np.ndarray) -> Branches:
    branches = Branches()
    with recording(branches=branches):
        f(Variable(x))
    return branches


def if_positive(z: Any) -> Any:
    return z * 2 if z[1, 1] > 0 else z


def while_large(z: Any) -> Any:
    while np.sum(z) > 1.0:
        z = z / 2


DECISIONS: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("greater", lambda z: z > 0, Z > 0),
    ("less_equal", lambda z: z <= 1, Z <= 1),
    ("equal", lambda z: z == 1, Z == 1),
    ("maximum", lambda z: np.maximum(0, z), -np.sign(Z)),
    ("minimum", lambda z: np.minimum(z, 1.0), np.sign(Z - 1)),
    ("absolute", abs, np.sign(Z)),
    ("sign", np.sign, np.sign(Z)),
    ("clip", lambda z: z.clip(0, 1), (Z > 1).astype(int) - (Z < 0)),
    ("floor", np.floor, np.floor(Z)),
    ("floor_divide", lambda z: z // 0.7, Z // 0.7),
    ("remainder", lambda z: z % 0.7, Z // 0.7),
    ("argmax", lambda z: z.argmax(axis=1), Z.argmax(axis=1)),
    ("argsort", lambda z: z.argsort(axis=1), Z.argsort(axis=1)),
    ("max", lambda z: z.max(axis=0), Z.max(axis=0) == Z),
    ("min", np.min, Z.min() == Z),
    ("sort", np.sort, Z.argsort(axis=1)),
    ("where", lambda z: np.where(z, 1.0, z), Z != 0),
    ("bool", lambda z: bool(z[0, 0]), True),
    ("isnan", np.isnan, np.isnan(Z)),
    ("nonzero", np.nonzero, np.nonzero(Z)),
    ("astype", lambda z: z.astype(int), Z.astype(int)),
    ("copysign", lambda z: np.copysign(z, -1.0), Z > 0),
]


@pytest.mark.parametrize(("name", "f", "decision"), DECISIONS, ids=[d[0] for d in DECISIONS])
def test_a_decision_is_noted(name: str, f: Callable[[Any], Any], decision: Any) -> None:
    (branch,) = record(f, Z)
    assert branch.operation == name
    np.testing.assert_array_equal(branch.decision, decision)


@pytest.mark.parametrize("f", [if_positive, while_large, *(f for _, f, _ in DECISIONS)])
def test_the_same_way_twice(f: Callable[[Any], Any]) -> None:
    assert record(f, Z + 1e-9).same_as(record(f, Z + 2e-9))


def test_another_way_is_found_with_its_place() -> None:
    def relu_of_a_product(z: Any) -> Any:
        return np.maximum(0, np.tanh(z) * 3)

    other = Z.copy()
    other[1, 1] = 0.2
    one, two = record(relu_of_a_product, Z), record(relu_of_a_product, other)
    assert not one.same_as(two)
    assert one.first_difference(two) == (0, (1, 1))
    assert record(if_positive, Z).first_difference(record(if_positive, other)) == (0, ())


def test_loops_of_another_length() -> None:
    longer = record(while_large, 10 * Z)
    assert record(while_large, Z).first_difference(longer) == (3, ())
    assert Branches(longer[:2]).first_difference(longer) == (2, None)
    assert Branches([Branch("sign", np.ones(2))]).first_difference(
        Branches([Branch("sign", np.ones(3))])
    ) == (0, None)


def test_smooth_code_leaves_no_record() -> None:
    def smooth(z: Any) -> Any:
        h = np.zeros((2, 3))
        h[0] = np.exp(z[1])
        return np.sum(h @ z.T) + z.mean() + np.linalg.norm(z) + np.reshape(z, -1)[0]

    assert record(smooth, Z) == []


def test_a_rectified_product_without_a_maximum() -> None:
    assert [branch.operation for branch in record(lambda z: z * (z > 0), Z)] == ["greater"]
