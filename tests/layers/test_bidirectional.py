from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from byhand.errors import InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Sequential
from byhand.layers.bidirectional import Bidirectional
from byhand.layers.lstm import LSTM
from byhand.layers.rnn import RNN

from .peer import assert_same
from .recurrent import KINDS, Kind, drawn, gradients_in_pytorch, in_pytorch

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
PADDED = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]])


def made(kind: Kind) -> Bidirectional:
    return Bidirectional(kind.make(2, 3, 1), kind.make(2, 4, 2), name="both")


@every_kind
@pytest.mark.parametrize("mask", [None, PADDED], ids=["whole", "padded"])
def test_derivatives_agree_with_central_differences(kind: Kind, mask: Any) -> None:
    layer = made(kind)
    forward, reverse = layer.directions.values()
    x, state = drawn(forward, 3, 5)
    states = (state, drawn(reverse, 3, 5, 1)[1])
    rng = np.random.default_rng(1)
    dh = rng.standard_normal((3, 5, 7))
    dfinal = (rng.standard_normal(states[0].shape), rng.standard_normal(states[1].shape))

    def loss() -> float:
        h, cache = layer.forward(x, states, mask)
        ends = zip(dfinal, layer.final_state(cache), strict=True)
        return float((dh * h).sum() + sum((d * end).sum() for d, end in ends))

    _, cache = layer.forward(x, states, mask)
    dx, dstates, gradients = layer.backward_with_state(dh, dfinal, cache)
    assert gradients.keys() == layer.parameters.keys()
    for value, gradient in [
        (x, dx),
        *zip(states, dstates, strict=True),
        *((layer.parameters[symbol], gradients[symbol]) for symbol in gradients),
    ]:
        assert relative_error(gradient, numerical_gradient(loss, value)) < 1e-7


def test_outputs_and_gradients_are_pytorchs_with_packed_sequences() -> None:
    """Packing is PyTorch's way to leave the padding at the end of each sequence out."""
    layer = Bidirectional(LSTM(2, 3), LSTM(2, 3)).initialize(0)
    lengths = [5, 2, 4]
    mask = np.arange(5) < np.array(lengths)[:, None]
    rng = np.random.default_rng(0)
    x, dh = rng.standard_normal((3, 5, 2)), rng.standard_normal((3, 5, 6))
    h, cache = layer.forward(x, mask=mask)
    dx, gradients = layer.backward(dh, cache)

    module = torch.nn.LSTM(2, 3, batch_first=True, bidirectional=True).double()
    own = [in_pytorch(direction) for direction in layer.directions.values()]
    with torch.no_grad():
        for direction, suffix in zip(own, ("", "_reverse"), strict=True):
            for name, value in direction.named_parameters():
                getattr(module, name + suffix).copy_(value)
    their_x = torch.tensor(x, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        their_x, lengths, batch_first=True, enforce_sorted=False
    )
    output, (last_h, last_c) = module(packed)
    theirs, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    theirs.backward(torch.tensor(dh))
    assert_same(h, theirs.detach())
    assert_same(dx, their_x.grad)
    for k, state in enumerate(layer.final_state(cache)):
        assert_same(state, torch.stack((last_h[k], last_c[k])).detach())
    for symbol, gradient in gradients_in_pytorch(module).items():
        assert_same(gradients[f"forward_{symbol}"], gradient)
    assert_same(gradients["reverse_Wx"], module.weight_ih_l0_reverse.grad.T)
    assert_same(gradients["reverse_Wh"], module.weight_hh_l0_reverse.grad.T)
    assert_same(gradients["reverse_b"], module.bias_ih_l0_reverse.grad)


@every_kind
def test_what_the_padding_holds_has_no_effect(kind: Kind) -> None:
    layer = made(kind)
    x, _ = drawn(layer.directions["forward"], 3, 5)
    dh = np.random.default_rng(1).standard_normal((3, 5, 7))
    results = []
    for content in (0.0, 1e3, np.nan):
        x[PADDED == 0] = content
        dh[PADDED == 0] = content
        h, cache = layer.forward(x, mask=PADDED)
        dx, dstates, gradients = layer.backward_with_state(dh, None, cache)
        results.append([h, *layer.final_state(cache), dx, *dstates, *gradients.values()])
        assert not h[PADDED == 0].any()
        assert not dx[PADDED == 0].any()
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_of_a_turned_sequence_it_is_the_exchanged_layer_turned() -> None:
    forward, reverse = RNN(2, 3).initialize(0), RNN(2, 3).initialize(1)
    x = np.random.default_rng(0).standard_normal((4, 5, 2))
    h, _ = Bidirectional(forward, reverse).forward(x)
    other, _ = Bidirectional(reverse, forward).forward(x[:, ::-1])
    assert_same(other[:, ::-1], np.concatenate((h[:, :, 3:], h[:, :, :3]), axis=2))
    alone, _ = forward.forward(x)
    assert_same(h[:, :, :3], alone)


def test_the_parameters_are_those_of_both_layers() -> None:
    layer = Bidirectional(RNN(2, 3), LSTM(2, 4)).initialize(0)
    names = ("forward_Wx", "forward_Wh", "forward_b", "reverse_Wx", "reverse_Wh", "reverse_b")
    assert layer.parameter_names == tuple(layer.parameters) == names
    assert layer.weights == ("forward_Wx", "forward_Wh", "reverse_Wx", "reverse_Wh")
    assert layer.axes["reverse_Wx"] == ("in", "reverse 4 hidden")
    assert layer.forward_Wx is layer.directions["forward"].Wx
    model = Sequential(layer, RNN(7, 2)).initialize(0)
    changed = {name: value + 1 for name, value in model.parameters.items()}
    model.set_parameters(changed)
    assert layer.directions["reverse"].Wh is changed["bidirectional1.reverse_Wh"]
    assert model.output_shape((5, 2)) == (5, 2)
    assert "bidirectional1.reverse_Wx" in model.weight_names
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(other.forward_Wh, layer.forward_Wh)
    with pytest.raises(AttributeError, match=r"^Bidirectional has no attribute 'Wx'$"):
        _ = layer.Wx


def test_settings_are_those_of_both_layers() -> None:
    gru = next(kind for kind in KINDS if kind.name == "GRU before")
    assert Bidirectional(gru.make(2, 3), RNN(2, 3)).settings == {"forward_reset_after": False}


def test_arguments_that_make_no_layer() -> None:
    layer = RNN(2, 3)
    for pair, text in [
        ((layer, layer), "both directions are one layer object; make one for each"),
        (
            (layer, RNN(4, 3)),
            "both layers read the same x, found in = 2 and in = 4",
        ),
    ]:
        with pytest.raises(InputError) as error:
            Bidirectional(*pair, name="both")
        assert str(error.value) == f'Bidirectional "both": {text}'


def test_arrays_that_do_not_fit() -> None:
    layer = Bidirectional(RNN(2, 3, name="there"), RNN(2, 4, name="back"), name="both")
    layer.initialize(0)
    x = np.ones((2, 5, 2))
    for call, text in [
        (
            lambda: layer.forward(x[:, :0]),
            'RNN "there": x has time = 0, expected at least one step '
            "(hₜ = tanh(xₜ Wx + hₜ₋₁ Wh + b))",
        ),
        (
            lambda: layer.forward(x[:, :, :1]),
            'Bidirectional "both": x has in = 1, forward_Wx expects in = 2 (hₜ = (→hₜ, ←hₜ))',
        ),
        (
            lambda: layer.forward(x, (np.ones((2, 3)), np.ones((2, 3)))),
            'RNN "back": state has hidden = 3, Wx expects hidden = 4 '
            "(hₜ = tanh(xₜ Wx + hₜ₋₁ Wh + b))",
        ),
        (
            lambda: layer.forward(x, (np.ones((2, 3)),)),  # type: ignore[arg-type]
            'Bidirectional "both": state has 1 parts, expected a pair, the forward layer\'s and '
            "the reverse layer's (hₜ = (→hₜ, ←hₜ))",
        ),
        (
            lambda: layer.backward(np.ones((2, 5, 6)), layer.forward(x)[1]),
            'Bidirectional "both": dh has out = 6, the layer expects out = 7 (hₜ = (→hₜ, ←hₜ))',
        ),
    ]:
        with pytest.raises(ShapeError) as error:
            call()
        assert str(error.value) == text
