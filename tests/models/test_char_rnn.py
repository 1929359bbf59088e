from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from byhand.errors import InputError
from byhand.initializers import Glorot, StandardNormal
from byhand.layers import GRU, LSTM, RNN, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import char_rnn

from ..layers.peer import assert_same

BATCH, TIME, TOKENS = 3, 5, 7
PEERS: dict[str, Any] = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def peer(layer: RNN | GRU | LSTM, cell: str) -> Any:
    """PyTorch's own layer with our numbers, of which a gate is a block of rows."""
    n_in, hidden = layer.sizes["in"], layer.sizes["hidden"]
    theirs = PEERS[cell](n_in, hidden, batch_first=True, dtype=torch.float64)
    biases = np.zeros_like(layer.b)
    if isinstance(layer, GRU):
        biases[2 * hidden :] = layer.bn
    theirs.weight_ih_l0.data = torch.tensor(layer.Wx.T)
    theirs.weight_hh_l0.data = torch.tensor(layer.Wh.T)
    theirs.bias_ih_l0.data = torch.tensor(layer.b)
    theirs.bias_hh_l0.data = torch.tensor(biases)
    return theirs


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("embedding", [None, 4])
def test_loss_and_scores_are_pytorchs(cell: str, embedding: int | None) -> None:
    drawn = {"weights": StandardNormal(), "biases": StandardNormal()}
    model = char_rnn(TOKENS, hidden=[6, 5], cell=cell, embedding=embedding, **drawn).initialize(1)
    ids = np.random.default_rng(0).integers(TOKENS, size=(BATCH, TIME + 1))
    z, caches = model.forward(ids[:, :-1])
    loss, cache = SoftmaxCrossEntropy().forward(z, ids[:, 1:])
    _, gradients = model.backward(SoftmaxCrossEntropy().backward(cache), caches)

    first, *recurrent, output = model.layers
    theirs = torch.tensor(ids)
    x: Any = F.one_hot(theirs[:, :-1], TOKENS).double()
    if embedding is not None:
        x = torch.tensor(first.parameters["E"])[theirs[:, :-1]]
    peers = [peer(layer, cell) for layer in recurrent]
    for layer in peers:
        x, _ = layer(x)
    scores = F.linear(x, torch.tensor(output.W.T), torch.tensor(output.b))
    assert_same(z, scores.detach().numpy())
    their_loss = F.cross_entropy(scores.reshape(-1, TOKENS), theirs[:, 1:].reshape(-1))
    assert_same(loss, their_loss.item())
    their_loss.backward()
    for layer, other in zip(recurrent, peers, strict=True):
        assert_same(gradients[f"{layer.name}.Wx"], other.weight_ih_l0.grad.numpy().T)
        assert_same(gradients[f"{layer.name}.Wh"], other.weight_hh_l0.grad.numpy().T)


def test_the_layers_and_their_names() -> None:
    assert [str(layer) for layer in char_rnn(65, dropout=0.2).layers] == [
        'OneHot "onehot1"',
        'LSTM "lstm1"',
        'Dropout "dropout1"',
        'LSTM "lstm2"',
        'Dropout "dropout2"',
        'Dense "output"',
    ]
    model = char_rnn(65, hidden=[8], cell="gru", embedding=3)
    assert [str(layer) for layer in model.layers] == [
        'Embedding "embedding1"',
        'GRU "gru1"',
        'Dense "output"',
    ]
    assert model.output_shape((20,)) == (20, 65)


def count(model: Sequential) -> int:
    return sum(value.size for value in model.initialize(0).parameters.values())


def test_the_number_of_parameters() -> None:
    # Each gate has a row for each token, one for each unit, and a bias.
    assert count(char_rnn(65, hidden=[128])) == 4 * (65 + 128 + 1) * 128 + 129 * 65
    assert count(char_rnn(65, hidden=[128], cell="rnn")) == (65 + 128 + 1) * 128 + 129 * 65
    # A GRU's n has a second bias, that of its product with the state.
    assert count(char_rnn(65, hidden=[128], cell="gru")) == (3 * 194 + 1) * 128 + 129 * 65


def test_initializers_reach_every_layer() -> None:
    model = char_rnn(90, hidden=[100], weights=Glorot()).initialize(0)
    assert np.abs(model.parameters["lstm1.Wx"]).max() == pytest.approx(np.sqrt(6 / 190), rel=0.01)
    assert np.abs(model.parameters["output.W"]).max() == pytest.approx(np.sqrt(6 / 190), rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "lsmt"}, "cell is one of rnn, gru, lstm; found 'lsmt'"),
        ({"hidden": []}, "hidden needs one entry or more, such as [128, 128]; found none"),
        ({"hidden": [0]}, "LSTM: sizes are at least 1, found in = 65, hidden = 0"),
        ({"embedding": 0}, "Embedding: sizes are at least 1, found vocabulary = 65, features = 0"),
        ({"dropout": 1.0}, "Dropout: rate is the share dropped, 0 <= rate < 1, found 1.0"),
    ],
)
def test_arguments_that_make_no_network(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        char_rnn(65, **arguments)
    assert str(error.value) == message


def test_a_vocabulary_of_none() -> None:
    with pytest.raises(InputError) as error:
        char_rnn(0)
    assert str(error.value) == "OneHot: vocabulary is at least 1, found 0"
