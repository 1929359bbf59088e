from __future__ import annotations

import numpy as np
import pytest

from byhand.data import BytePairs, Split
from byhand.errors import InputError
from byhand.initializers import StandardNormal
from byhand.layers import LSTM, Sequential
from byhand.layers.sigmoid import sigmoid
from byhand.models import char_rnn
from byhand.views import reading
from byhand.views.reading import chosen_layers, pieces_of, read, tokens_of

IDS = np.random.default_rng(0).integers(7, size=53)


def network(cell: str) -> Sequential:
    return char_rnn(7, hidden=[5, 4], cell=cell, weights=StandardNormal()).initialize(2)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_the_cells_of_rnn_and_gru_are_their_outputs(cell: str) -> None:
    model = network(cell)
    outputs = model.activations(IDS[None])
    cells = read(model, IDS).cells
    assert list(cells) == [f"{cell}1", f"{cell}2"]
    for name, values in cells.items():
        np.testing.assert_allclose(values, outputs[name][0], rtol=1e-12)


def test_an_lstm_s_cells_and_gates_are_those_of_its_equations() -> None:
    model = network("lstm")
    layer = model.layers[1]
    assert isinstance(layer, LSTM)
    found = read(model, IDS)
    h, c = np.zeros(5), np.zeros(5)
    for t, token in enumerate(IDS):
        a_i, a_f, a_g, a_o = np.split(layer.Wx[token] + h @ layer.Wh + layer.b, 4)
        gates = {"input": sigmoid(a_i), "forget": sigmoid(a_f), "output": sigmoid(a_o)}
        c = gates["forget"] * c + gates["input"] * np.tanh(a_g)
        h = gates["output"] * np.tanh(c)
        np.testing.assert_allclose(found.cells["lstm1"][t], np.tanh(c), rtol=1e-10)
        assert list(found.gates["lstm1"]) == list(gates)
        for gate, values in gates.items():
            np.testing.assert_allclose(found.gates["lstm1"][gate][t], values, rtol=1e-10)
    assert found.gates["lstm2"]["forget"].shape == (53, 4)


def test_a_gru_s_gates_make_its_next_state() -> None:
    model = network("gru")
    found = read(model, IDS)
    h = np.concatenate([np.zeros((1, 5)), found.cells["gru1"]])
    z, Wx = found.gates["gru1"]["update"], model.layers[1].Wx
    assert list(found.gates["gru1"]) == ["reset", "update"]
    m = h[:-1] @ model.layers[1].Wh[:, 10:] + model.layers[1].bn
    n = np.tanh(Wx[IDS, 10:] + model.layers[1].b[10:] + found.gates["gru1"]["reset"] * m)
    np.testing.assert_allclose(h[1:], (1 - z) * n + z * h[:-1], rtol=1e-10)


def test_a_plain_rnn_has_no_gates() -> None:
    assert read(network("rnn"), IDS).gates == {"rnn1": {}, "rnn2": {}}


def test_a_long_text_is_read_side_by_side_with_a_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("gru")
    whole = read(model, IDS)
    monkeypatch.setattr(reading, "STRETCH", 10)
    monkeypatch.setattr(reading, "WARM", 45)  # more than all tokens before the last stretch
    monkeypatch.setattr(reading, "PIECE", 7)
    assert len(reading._stretches(IDS)) == 6
    for name, values in read(model, IDS).cells.items():
        np.testing.assert_allclose(values[:45], whole.cells[name][:45], rtol=1e-10)
        assert values.shape == whole.cells[name].shape
    stretch = reading._stretches(np.arange(13))
    np.testing.assert_array_equal(stretch[0], [*[-1] * 45, *range(10)])
    np.testing.assert_array_equal(stretch[1], [*[-1] * 35, *range(13), *[-1] * 7])


def test_the_text_of_windows() -> None:
    split = Split(np.arange(12).reshape(4, 3), np.arange(1, 13).reshape(4, 3))
    np.testing.assert_array_equal(tokens_of(split, 5), np.arange(6))
    np.testing.assert_array_equal(tokens_of(split, 99), np.arange(12))
    np.testing.assert_array_equal(tokens_of(split, 5, first=2), np.arange(6, 12))


def test_every_token_has_a_piece() -> None:
    pairs = BytePairs.learn("a", 256)
    assert pieces_of(pairs.encode("aï")[:-1], pairs) == ["a", ""]


def test_layers_that_can_be_chosen() -> None:
    model = network("lstm")
    assert chosen_layers(model, None) == ["lstm1", "lstm2"]
    assert chosen_layers(model, "lstm2") == ["lstm2"]
    with pytest.raises(InputError) as caught:
        chosen_layers(model, "output")
    assert str(caught.value) == "layer output has no state; there is lstm1, lstm2"
    with pytest.raises(InputError) as caught:
        chosen_layers(model, "lstm3")
    assert str(caught.value) == "no layer 'lstm3'; did you mean lstm2?"
