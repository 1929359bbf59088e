from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import InputError, ShapeError
from byhand.initializers import StandardNormal
from byhand.layers import Dense, Dropout, Flatten, Layer, ReLU, Sequential, Sigmoid, Softmax, Tanh
from byhand.randomness import stream


def small() -> Sequential:
    return Sequential(
        Dense(4, 3, name="hidden"), Sigmoid(), Dropout(0.5), Dense(3, 2, name="output")
    ).initialize(0)


def names(model: Sequential) -> list[str | None]:
    return [layer.name for layer in model.layers]


def test_layers_without_a_name_are_called_by_kind_and_place() -> None:
    model = Sequential(Dense(4, 3), Sigmoid(), Dense(3, 3, name="middle"), Sigmoid(), Dense(3, 2))
    assert names(model) == ["dense1", "sigmoid1", "middle", "sigmoid2", "dense3"]


def test_a_sequential_among_the_layers_is_replaced_by_its_layers() -> None:
    first = Sequential(Flatten(), Dense(4, 3), Tanh())
    model = Sequential(first, Sequential(Dense(3, 3, name="middle"), Tanh()), Dense(3, 2))
    assert [type(layer) for layer in model.layers] == [Flatten, Dense, Tanh, Dense, Tanh, Dense]
    assert names(model) == ["flatten1", "dense1", "tanh1", "middle", "tanh2", "dense3"]


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ([], "Sequential needs at least one layer, found none"),
        (
            [Dense(3, 3, name="hidden"), ReLU(), Dense(3, 3, name="hidden")],
            'Sequential: two layers are named "hidden"; names must differ',
        ),
        (
            [Dense(3, 3, name="block.hidden")],
            'Sequential: a layer is named "block.hidden"; a name has no dot',
        ),
        (
            [shared := Dense(3, 3), ReLU(), shared],
            "Sequential holds one layer object twice; make one for each place",
        ),
    ],
)
def test_layers_that_cannot_stand_together(layers: list[Layer], text: str) -> None:
    with pytest.raises(InputError) as error:
        Sequential(*layers)
    assert str(error.value) == text


def test_forward_and_backward_are_the_layers_one_after_the_other() -> None:
    model = small()
    hidden, sigmoid, _, output = model.layers
    x = np.random.default_rng(0).standard_normal((5, 4))
    y, caches = model.forward(x)
    z, hidden_cache = hidden.forward(x)
    a, sigmoid_cache = sigmoid.forward(z)
    expected, output_cache = output.forward(a)
    np.testing.assert_array_equal(y, expected)

    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, gradients = model.backward(dy, caches)
    da, of_output = output.backward(dy, output_cache)
    dz, _ = sigmoid.backward(da, sigmoid_cache)
    expected_dx, of_hidden = hidden.backward(dz, hidden_cache)
    np.testing.assert_array_equal(dx, expected_dx)
    assert gradients.keys() == {"hidden.W", "hidden.b", "output.W", "output.b"}
    np.testing.assert_array_equal(gradients["hidden.W"], of_hidden["W"])
    np.testing.assert_array_equal(gradients["output.b"], of_output["b"])


def test_masks_make_it_a_training_pass() -> None:
    model = small()
    x = np.random.default_rng(0).standard_normal((5, 4))
    nothing = {"dropout1": np.zeros((5, 3))}
    y, _ = model.forward(x, nothing)
    np.testing.assert_array_equal(y, np.broadcast_to(model.parameters["output.b"], (5, 2)))
    evaluated, _ = model.forward(x)
    assert not np.array_equal(y, evaluated)
    np.testing.assert_array_equal(model.forward(x, {})[0], evaluated)


def test_activations_are_the_outputs_of_each_layer_in_evaluation() -> None:
    model = small()
    x = np.random.default_rng(0).standard_normal((5, 4))
    activations = model.activations(x)
    assert list(activations) == ["hidden", "sigmoid1", "dropout1", "output"]
    np.testing.assert_array_equal(activations["output"], model.forward(x)[0])
    np.testing.assert_array_equal(activations["hidden"], model.layers[0].forward(x)[0])
    np.testing.assert_array_equal(activations["dropout1"], activations["sigmoid1"])


def test_each_layer_draws_from_a_stream_of_its_own() -> None:
    model = Sequential(
        Dense(4, 3, weights=StandardNormal()), Tanh(), Dense(3, 2, weights=StandardNormal())
    )
    assert model.initialize(7) is model
    expected = stream(7, "parameters", 2).standard_normal((3, 2))
    np.testing.assert_array_equal(model.parameters["dense2.W"], expected)
    before = model.parameters["dense1.W"]
    np.testing.assert_array_equal(model.initialize(7).parameters["dense1.W"], before)
    assert not np.array_equal(model.initialize(8).parameters["dense1.W"], before)
    single = model.initialize(7, np.float32).parameters["dense1.W"]
    np.testing.assert_array_equal(single, before.astype(np.float32))


def test_masks_are_those_of_the_step_and_the_layer() -> None:
    model = Sequential(Flatten(), Dropout(0.2), Dense(6, 5), Dropout(0.5, name="late"))

    def draw(seed: int, step: int, dtype: Any = np.float64) -> dict[str, Any]:
        return model.draw_masks(4, (2, 3), seed, step, dtype)

    masks = draw(0, 0)
    assert {name: mask.shape for name, mask in masks.items()} == {
        "dropout1": (4, 6),
        "late": (4, 5),
    }
    expected = Dropout(0.5).draw_mask((4, 5), stream(0, "dropout", 0, 3), np.float64)
    np.testing.assert_array_equal(masks["late"], expected)
    np.testing.assert_array_equal(draw(0, 0)["dropout1"], masks["dropout1"])
    assert not np.array_equal(draw(0, 1)["dropout1"], masks["dropout1"])
    assert not np.array_equal(draw(1, 0)["dropout1"], masks["dropout1"])
    assert draw(0, 0, np.float32)["late"].dtype == np.float32


def test_parameters_and_weights_are_named_layer_dot_symbol() -> None:
    model = small()
    shapes = {name: value.shape for name, value in model.parameters.items()}
    assert shapes == {
        "hidden.W": (4, 3),
        "hidden.b": (3,),
        "output.W": (3, 2),
        "output.b": (2,),
    }
    assert list(shapes) == ["hidden.W", "hidden.b", "output.W", "output.b"]
    assert model.weight_names == {"hidden.W", "output.W"}


def test_the_output_shape_goes_through_all_layers() -> None:
    assert Sequential(Flatten(), Dense(6, 5), Softmax()).output_shape((2, 3)) == (5,)
    with pytest.raises(ShapeError) as error:
        Sequential(Flatten(), Dense(6, 5), Dense(4, 3)).output_shape((2, 3))
    assert str(error.value) == (
        'Dense "dense2": an example of x has shape (5,), W expects in = 4 (z = x W + b)'
    )


def test_parameters_are_replaced_by_name() -> None:
    model = small()
    values = {name: value + 1 for name, value in model.parameters.items()}
    model.set_parameters(values)
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(value, values[name])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"output.b": None},
            "parameter output.b is missing; expected hidden.W, hidden.b, output.W, output.b",
        ),
        (
            {"hiden.W": np.ones((4, 3))},
            "the model has no parameter hiden.W; it has hidden.W, hidden.b, output.W, output.b",
        ),
        (
            {"output.W": np.ones((2, 3))},
            'Dense "output": W has shape (2, 3), expected (3, 2) (z = x W + b)',
        ),
        (
            {"output.b": np.ones((2, 1))},
            'Dense "output": b has shape (2, 1), expected (2,) (z = x W + b)',
        ),
    ],
    ids=["missing", "unknown", "transposed", "column"],
)
def test_parameters_that_are_not_the_models_are_refused_whole(
    change: dict[str, Any], text: str
) -> None:
    model = small()
    before = {name: value.copy() for name, value in model.parameters.items()}
    values = {name: value + 1 for name, value in before.items()} | change
    with pytest.raises(InputError) as error:
        model.set_parameters({name: value for name, value in values.items() if value is not None})
    assert str(error.value) == text
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(value, before[name])


def test_an_error_inside_names_the_layer() -> None:
    with pytest.raises(ShapeError) as error:
        small().forward(np.ones((2, 100)))
    assert str(error.value) == 'Dense "hidden": x has in = 100, W expects in = 4 (z = x W + b)'
