from __future__ import annotations

import numpy as np
import pytest

from byhand.errors import ShapeError
from byhand.layers.rotary import Rotary

from .peer import assert_same


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 2, 3, 1, 6))


def test_each_pair_is_turned_by_its_own_angle() -> None:
    """As complex numbers: multiplied by e^iθ."""
    x, _ = drawn()
    positions = np.array([[7], [0]])
    y, _ = Rotary().forward(x, positions)
    theta = 7 * 10_000.0 ** (-np.array([0, 2, 4]) / 6)
    turned = (x[0, ..., :3] + 1j * x[0, ..., 3:]) * np.exp(1j * theta)
    assert_same(y[0], np.concatenate((turned.real, turned.imag), axis=-1))
    assert_same(y[1], x[1])


@pytest.mark.parametrize("shift", [1, 40, 3000])
def test_a_product_knows_only_the_distance(shift: int) -> None:
    q, k = drawn()

    def score(of_q: int, of_k: int) -> np.ndarray:
        turned_q, _ = Rotary().forward(q, np.full((2, 1), of_q))
        turned_k, _ = Rotary().forward(k, np.full((2, 1), of_k))
        return np.asarray((turned_q * turned_k).sum(axis=-1))

    assert_same(score(9 + shift, 4 + shift), score(9, 4))
    assert not np.allclose(score(9, 4), score(9, 5))


def test_lengths_are_kept_and_backward_turns_back() -> None:
    x, _ = drawn()
    y, cache = Rotary().forward(x, np.array([[123], [4]]))
    assert_same(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1))
    dx, _ = Rotary().backward(y, cache)
    assert_same(dx, x)


def test_far_positions_are_as_exact_in_float32() -> None:
    x, _ = drawn()
    positions = np.array([[100_000], [99_999]])
    single, _ = Rotary().forward(x.astype(np.float32), positions)
    double, _ = Rotary().forward(x, positions)
    np.testing.assert_allclose(single, double, atol=1e-6)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError) as error:
        Rotary().forward(np.ones((2, 3, 4, 5)), np.ones((2, 4)))
    assert str(error.value) == (
        "Rotary: x has d = 5, expected pairs, so d is even (y = R(position) x)"
    )
    with pytest.raises(ShapeError) as error:
        Rotary().forward(np.ones((2, 3, 4, 6)), np.arange(4))
    assert str(error.value) == (
        "Rotary: positions has shape (4,), x has [batch, time] = (2, 4) (y = R(position) x)"
    )
