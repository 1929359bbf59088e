from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from byhand.errors import InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import RNN, BatchNorm, Dense, Dropout, LayerNorm, ReLU, Sequential, Tanh
from byhand.layers.gelu import GELU
from byhand.layers.residual import Residual
from byhand.layers.self_attention import SelfAttention

from .in_pytorch import assert_gradients_of_layers, copy_layers
from .peer import assert_same

PADDED = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def transformer_block(norm_first: bool, activation: str) -> Sequential:
    """nn.TransformerEncoderLayer(8, 2, 6) in our layers."""
    hidden = Dense(8, 6, name="up"), GELU() if activation == "gelu" else ReLU()
    attention, forward = SelfAttention(8, 2, name="heads"), (*hidden, Dense(6, 8, name="down"))
    norms = LayerNorm(8, name="norm1"), LayerNorm(8, name="norm2")
    if norm_first:
        return Sequential(
            Residual(norms[0], attention, name="attention"),
            Residual(norms[1], *forward, name="forward"),
        )
    return Sequential(
        Residual(attention, name="attention"),
        norms[0],
        Residual(*forward, name="forward"),
        norms[1],
    )


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_a_block_of_a_transformer_is_pytorchs(
    norm_first: bool, activation: str, padded: bool
) -> None:
    model = transformer_block(norm_first, activation).initialize(0)
    rng = np.random.default_rng(1)
    model.set_parameters({n: w + rng.standard_normal(w.shape) for n, w in model.parameters.items()})
    x, dy = rng.standard_normal((2, 2, 5, 8))
    real = PADDED == 1 if padded else np.ones((2, 5), bool)
    dy[~real] = 0

    module = nn.TransformerEncoderLayer(
        *(8, 2, 6, 0.0, activation), norm_first=norm_first, batch_first=True, dtype=torch.float64
    )
    modules = {
        "heads": module.self_attn,
        "up": module.linear1,
        "down": module.linear2,
        "norm1": module.norm1,
        "norm2": module.norm2,
    }
    copy_layers(model, modules)

    leaf = torch.tensor(x, requires_grad=True)
    expected = module(leaf, src_key_padding_mask=torch.tensor(~real))
    expected.backward(torch.tensor(dy))
    y, caches = model.forward(x, real=real)
    dx, gradients = model.backward(dy, caches)
    assert_same(y[real], expected.detach().numpy()[real])
    assert_same(dx, leaf.grad)
    assert gradients.keys() == model.parameters.keys()
    assert_gradients_of_layers(gradients, modules)


def test_dy_reaches_the_first_of_many_blocks_as_it_is() -> None:
    """Where f has no slope at all, and would let nothing through."""
    blocks = [Residual(Dense(3, 3), ReLU()) for _ in range(50)]
    model = Sequential(*blocks).initialize(0)
    model.set_parameters({n: np.full_like(w, -1.0) for n, w in model.parameters.items()})
    x = np.ones((1, 3))
    y, caches = model.forward(x)
    dx, gradients = model.backward(np.array([[1.0, 2, 3]]), caches)
    assert y.tolist() == x.tolist()
    assert dx.tolist() == [[1, 2, 3]]
    assert not any(gradient.any() for gradient in gradients.values())


def block() -> Residual:
    layers = (Dense(4, 6, name="up"), Tanh(), Dense(6, 4, name="down"))
    return Residual(*layers, name="block").initialize(3)


def test_parameters_by_the_names_of_the_layers() -> None:
    layer = block()
    assert list(layer.parameters) == ["up.W", "up.b", "down.W", "down.b"]
    assert layer.parameter_names == ("up.W", "up.b", "down.W", "down.b")
    assert layer.weights == ("up.W", "down.W")
    assert layer.axes["down.W"] == ("down in", "down out")
    model = Sequential(Dense(4, 4, name="first"), Residual(layer, name="outer")).initialize(0)
    assert list(model.parameters)[2:] == [
        f"outer.block.{symbol}" for symbol in layer.parameter_names
    ]
    assert model.weight_names == {"first.W", "outer.block.up.W", "outer.block.down.W"}
    values = {name: w + 1 for name, w in model.parameters.items()}
    model.set_parameters(values)
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(value, values[name])
    np.testing.assert_array_equal(getattr(layer, "up.W"), values["outer.block.up.W"])
    assert copy.deepcopy(layer).parameters.keys() == layer.parameters.keys()


def test_running_statistics_inside() -> None:
    model = Sequential(Residual(BatchNorm(4, name="norm"), name="block")).initialize(0)
    x = np.random.default_rng(0).standard_normal((6, 4))
    assert model.updated_statistics(model.forward(x)[1]) == {}
    new = model.updated_statistics(model.forward(x, masks={})[1])
    np.testing.assert_allclose(new["block.norm.running_mean"], 0.1 * x.mean(axis=0))
    assert list(model.trained) == ["block.norm.gamma", "block.norm.beta"]


def test_dropout_inside() -> None:
    """Each has its own mask, in training alone."""
    dropouts = Dropout(0.5, name="drop"), Dropout(0.5, name="drop")
    model = Sequential(
        Residual(Dense(4, 4), dropouts[0], name="a"), Residual(Tanh(), dropouts[1], name="b")
    ).initialize(0)
    x, dy = np.random.default_rng(0).standard_normal((2, 7, 4))
    masks = model.draw_masks(7, (4,), seed=0, step=3, dtype=np.float64)
    assert masks.keys() == {"a.drop", "b.drop"}
    assert (masks["a.drop"] != masks["b.drop"]).any()
    hidden, _ = model.layers[0].layers[0].forward(x)  # type: ignore[attr-defined]
    middle = x + hidden * masks["a.drop"]
    y, caches = model.forward(x, masks)
    assert_same(y, middle + np.tanh(middle) * masks["b.drop"])
    dx, _ = model.backward(dy, caches)
    measured = numerical_gradient(lambda: float((dy * model.forward(x, masks)[0]).sum()), x)
    assert relative_error(dx, measured) < 1e-7
    assert_same(model.forward(x)[0], x + hidden + np.tanh(x + hidden))
    again = model.draw_masks(7, (4,), seed=0, step=3, dtype=np.float64)
    np.testing.assert_array_equal(again["b.drop"], masks["b.drop"])


def test_states_of_recurrent_layers_inside() -> None:
    model = Sequential(Residual(RNN(3, 3), name="block")).initialize(0)
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    whole, _ = model.forward(x)
    first, caches = model.forward(x[:, :2])
    states = model.final_states(caches)
    assert states.keys() == {"block.rnn1"}
    rest, _ = model.forward(x[:, 2:], states=states)
    assert_same(np.concatenate((first, rest), axis=1), whole)


def test_what_a_residual_block_refuses() -> None:
    narrow = Residual(Dense(2, 3), name="block").initialize(0)
    with pytest.raises(ShapeError) as error:
        narrow.output_shape((2,))
    assert str(error.value) == 'Residual "block": x has shape (2,), f(x) (3,) (y = x + f(x))'
    with pytest.raises(ShapeError) as error:
        narrow.forward(np.ones((5, 2)))
    assert str(error.value) == 'Residual "block": x has shape (5, 2), f(x) (5, 3) (y = x + f(x))'
    with pytest.raises(AttributeError, match="Residual has no attribute 'W'"):
        _ = narrow.W
    with pytest.raises(InputError) as wrong:
        Residual(name="block")
    assert str(wrong.value) == 'Residual "block" needs at least one layer, found none'
    with pytest.raises(InputError) as wrong:
        Residual(Tanh(name="t"), Tanh(name="t"))
    assert str(wrong.value) == 'Residual: two layers are named "t"; names must differ'
