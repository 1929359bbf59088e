from __future__ import annotations

import numpy as np

from byhand.layers.one_hot import OneHot
from byhand.layers.rnn import RNN
from byhand.layers.rnn_cell import RNNCell

from .peer import assert_same


def test_a_computation_done_by_hand() -> None:
    """Two steps of one unit with tanh(ln 2) = 3/5 and tanh(0) = 0."""
    layer = RNN(1, 1)
    layer.Wx, layer.Wh, layer.b = np.array([[1.0]]), np.array([[5.0]]), np.array([np.log(2)])
    h, cache = layer.forward(np.array([[[0.0], [-3 - np.log(2)]]]))
    np.testing.assert_allclose(h[0, :, 0], [3 / 5, 0], atol=1e-15)
    dx, dstate, gradients = layer.backward_with_state(np.array([[[1.0], [10.0]]]), None, cache)
    # da₂ = 10 · (1 − 0²),  dh₁ = 1 + 5 da₂ = 51,  da₁ = 51 (1 − (3/5)²) = 32.64
    np.testing.assert_allclose(dx[0, :, 0], [32.64, 10])
    np.testing.assert_allclose(gradients["Wx"], [[10 * (-3 - np.log(2))]])
    np.testing.assert_allclose(gradients["Wh"], [[0.6 * 10]])
    np.testing.assert_allclose(gradients["b"], [42.64])
    np.testing.assert_allclose(dstate, [[5 * 32.64]])


def test_the_way_back_is_a_product_of_one_factor_for_each_step() -> None:
    layer = RNN(2, 3).initialize(0)
    h, cache = layer.forward(np.random.default_rng(0).standard_normal((1, 4, 2)))
    last = np.array([[[0.0, 0, 0]] * 3 + [[1.0, -2, 3]]])
    _, dstate, _ = layer.backward_with_state(last, None, cache)
    expected = last[:, 3]
    for t in (3, 2, 1, 0):
        expected = expected @ np.diag(1 - h[0, t] ** 2) @ layer.Wh.T
    assert_same(dstate, expected)


def test_on_one_hot_rows_the_input_picks_a_row_of_its_weights() -> None:
    cell = RNNCell(3, 4).initialize(0)
    x, _ = OneHot(3).forward(np.array([[2], [0]]))
    new, _ = cell.forward(x[:, 0], cell.zero_state(2))
    assert_same(new, np.tanh(cell.Wx[[2, 0]]))
