from __future__ import annotations

import numpy as np
import pytest

from byhand.errors import InputError, ShapeError
from byhand.layers.lstm import LSTM
from byhand.layers.lstm_cell import LSTMCell

from .peer import assert_same


def test_a_computation_done_by_hand() -> None:
    """One unit with i = 1/2, f = 3/4, g = 3/5, o = 1/2 whatever the input is."""
    cell = LSTMCell(1, 1)
    cell.Wx, cell.Wh = np.zeros((1, 4)), np.zeros((1, 4))
    cell.b = np.array([0.0, np.log(3), np.log(2), 0.0])
    state = np.array([[[0.0]], [[0.4]]])
    new, cache = cell.forward(np.array([[7.0]]), state)
    h, c = new
    np.testing.assert_allclose(c, [[0.75 * 0.4 + 0.5 * 0.6]])  # 0.6
    np.testing.assert_allclose(h, [[0.5 * np.tanh(0.6)]])
    dx, dstate, gradients = cell.backward(np.array([[[0.0]], [[10.0]]]), cache)
    np.testing.assert_allclose(dstate, [[[0]], [[0.75 * 10]]])
    # di = 10 · 0.6, df = 10 · 0.4, dg = 10 · 0.5, each times the slope of its gate
    np.testing.assert_allclose(gradients["b"], [6 * 0.25, 4 * 3 / 16, 5 * (1 - 0.36), 0])
    np.testing.assert_allclose(gradients["Wx"], [[10.5, 5.25, 22.4, 0]])
    assert not gradients["Wh"].any()
    assert not dx.any()


def test_with_open_forget_and_closed_input_gates_the_memory_and_its_gradient_stay() -> None:
    layer = LSTM(2, 3).initialize(0)
    layer.b[:3], layer.b[3:6] = -100, 100
    rng = np.random.default_rng(0)
    state = rng.standard_normal((2, 4, 3))
    _, cache = layer.forward(rng.standard_normal((4, 50, 2)), state)
    assert_same(layer.final_state(cache)[1], state[1])
    dfinal = np.zeros((2, 4, 3))
    dfinal[1] = rng.standard_normal((4, 3))
    _, dstate, _ = layer.backward_with_state(np.zeros((4, 50, 3)), dfinal, cache)
    assert_same(dstate, dfinal)


def test_the_forget_bias_is_added_to_what_is_drawn() -> None:
    assert LSTM(2, 2).initialize(0).b.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert LSTM(2, 2, forget_bias=0).initialize(0).b.tolist() == [0] * 8
    with pytest.raises(InputError) as error:
        LSTM(2, 2, forget_bias=np.nan)
    assert str(error.value) == "LSTM: forget_bias is a finite number, found nan"


def test_a_state_of_other_parts_than_h_and_c() -> None:
    layer = LSTM(2, 3).initialize(0)
    with pytest.raises(ShapeError) as error:
        layer.forward(np.ones((4, 5, 2)), np.ones((3, 4, 3)))
    assert str(error.value) == (
        "LSTM: state has h and c = 3, the layer expects h and c = 2 "
        "(hₜ = oₜ ⊙ tanh(cₜ), cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ)"
    )
    with pytest.raises(InputError) as error:
        layer.forward(np.ones((4, 5, 2)), (np.ones((4, 3)), np.ones((4, 3))))  # type: ignore[arg-type]
    assert str(error.value) == (
        "LSTM: state is a tuple, expected a NumPy array "
        "(hₜ = oₜ ⊙ tanh(cₜ), cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ); "
        "convert it with np.asarray(state, dtype=np.float64)"
    )
