from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.positions import Positions
from byhand.layers.sinusoidal_positions import SinusoidalPositions

from .peer import assert_same

BOTH = [LearnedPositions(9, 4).initialize(0), SinusoidalPositions(4)]
both = pytest.mark.parametrize("layer", BOTH, ids=lambda layer: type(layer).__name__)
PADDED = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1]])


def drawn() -> Any:
    return np.random.default_rng(0).standard_normal((2, 2, 5, 4))


def test_sines_and_cosines_are_those_of_the_paper() -> None:
    y, _ = SinusoidalPositions(4).forward(np.zeros((1, 3, 4)))
    for t, row in enumerate(y[0]):
        expected = [math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)]
        np.testing.assert_allclose(row, expected, rtol=1e-15)


def test_seven_steps_on_is_the_same_matrix_everywhere() -> None:
    P, _ = SinusoidalPositions(6).forward(np.zeros((1, 60, 6)))
    M, *_ = np.linalg.lstsq(P[0, :20], P[0, 7:27], rcond=None)
    np.testing.assert_allclose(P[0, 50] @ M, P[0, 57], atol=1e-9)
    np.testing.assert_allclose(M @ M.T, np.eye(6), atol=1e-9)


def test_a_row_has_the_gradients_of_all_places_it_was_added_to() -> None:
    layer = LearnedPositions(4, 2)
    layer.P = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    y, cache = layer.forward(np.ones((2, 3, 2)), mask=np.array([[1, 1, 1], [0, 1, 0]]))
    assert y.tolist() == [[[1, 2], [3, 4], [5, 6]], [[0, 0], [1, 2], [0, 0]]]
    dy = np.array([[[1.0, 0], [10, 0], [100, 0]], [[0, 1], [0, 10], [0, 100]]])
    dx, gradients = layer.backward(dy, cache)
    assert gradients["P"].tolist() == [[1, 10], [10, 0], [100, 0], [0, 0]]
    assert dx[1].tolist() == [[0, 0], [0, 10], [0, 0]]


@both
@pytest.mark.parametrize("mask", [None, PADDED], ids=["all real", "padded"])
def test_positions_go_on_where_the_piece_before_has_ended(layer: Positions, mask: Any) -> None:
    x, _ = drawn()
    whole, cache = layer.forward(x, mask=mask)
    state = None
    for piece in (slice(0, 1), slice(1, 4), slice(4, 5)):
        y, kept = layer.forward(x[:, piece], state, None if mask is None else mask[:, piece])
        assert_same(y, whole[:, piece])
        state = layer.final_state(kept)
    assert state is not None
    assert_same(state, layer.final_state(cache))
    assert state.tolist() == ([5, 5] if mask is None else [3, 3])


@both
def test_padding_takes_no_place(layer: Positions) -> None:
    """And what it holds has no effect, be it infinite or no number."""
    x, dy = drawn()
    results = []
    for content in (0.0, np.inf, np.nan):
        x[PADDED == 0] = dy[PADDED == 0] = content
        y, cache = layer.forward(x, mask=PADDED)
        dx, gradients = layer.backward(dy, cache)
        results.append([y, dx, *gradients.values()])
        assert not y[PADDED == 0].any()
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    for n, real in enumerate(PADDED == 1):
        alone, _ = layer.forward(x[n : n + 1, real])
        assert_same(results[0][0][n, real], alone[0])


def test_a_position_that_the_table_does_not_have() -> None:
    layer = LearnedPositions(4, 2, name="places").initialize(0)
    layer.forward(np.ones((1, 5, 2)), mask=np.array([[1, 1, 1, 1, 0]]))
    for x, state in ((np.ones((1, 5, 2)), None), (np.ones((1, 1, 2)), np.array([4.0]))):
        with pytest.raises(InputError) as error:
            layer.forward(x, state)
        assert str(error.value) == (
            'LearnedPositions "places": x has a step at position 4, P has positions = 4, so the '
            "last is 3 (y = x + P[position]); give a shorter sequence"
        )


@both
def test_arrays_that_do_not_fit(layer: Positions) -> None:
    name, x = type(layer).__name__, np.ones((2, 3, 4))
    with pytest.raises(ShapeError) as error:
        layer.forward(x, np.zeros((2, 1)))
    assert str(error.value) == (
        f"{name}: state has shape (2, 1), expected (2,) = [batch], the number of steps so far "
        "(y = x + P[position])"
    )
    with pytest.raises(DTypeError) as wrong:
        layer.forward(x, np.zeros(2, np.float32))
    assert str(wrong.value) == f"{name}: state is float32, x is float64 (y = x + P[position])"
    _, cache = layer.forward(x)
    with pytest.raises(ShapeError) as error:
        layer.backward(x[:, :2], cache)
    assert str(error.value) == (
        f"{name}: dy has [batch, time] = (2, 2), x has (2, 3) (y = x + P[position])"
    )
    with pytest.raises(ShapeError) as error:
        layer.output_shape((3, 5))
    assert str(error.value) == (
        f"{name}: an example of x has shape (3, 5), expected (time, features) with features = 4 "
        "(y = x + P[position])"
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: SinusoidalPositions(5),
            "SinusoidalPositions: features are pairs of a sine and a cosine, so an even number, "
            "found 5",
        ),
        (
            lambda: LearnedPositions(0, 4),
            "LearnedPositions: sizes are at least 1, found positions = 0, features = 4",
        ),
    ],
)
def test_arguments_that_make_no_layer(make: Any, text: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == text
