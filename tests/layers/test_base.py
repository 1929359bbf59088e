from __future__ import annotations

import copy

import numpy as np
import pytest

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers import Dense, Flatten, Layer, ReLU, Sequential, Sigmoid, Softmax, Tanh
from byhand.layers.base import NotInitializedError

RNG = np.random.default_rng(0)


def test_a_layer_is_shown_by_its_kind_and_name() -> None:
    assert str(Tanh()) == "Tanh"
    assert str(Tanh(name="squash")) == 'Tanh "squash"'


@pytest.mark.parametrize(
    ("layer", "x", "text"),
    [
        (
            Sigmoid(),
            [0.5, 1.0],
            "Sigmoid: z is a list, expected a NumPy array (a = σ(z)); "
            "convert it with np.asarray(z, dtype=np.float64)",
        ),
        (
            Dense(2, 3, name="hidden").initialize(RNG),
            [[0.5, 1.0]],
            'Dense "hidden": x is a list, expected a NumPy array (z = x W + b); '
            "convert it with np.asarray(x, dtype=np.float64)",
        ),
        (
            Dense(2, 3, name="hidden").initialize(RNG, np.float32),
            [[0.5, 1.0]],
            'Dense "hidden": x is a list, expected a NumPy array (z = x W + b); '
            "convert it with np.asarray(x, dtype=np.float32)",
        ),
        (
            ReLU(),
            np.array([1, 2]),
            "ReLU: z is int64, expected float32 or float64 (a = max(0, z)); "
            "convert it with z.astype(np.float64)",
        ),
        (
            Softmax(name="answer"),
            np.ones((2, 3), np.float16),
            'Softmax "answer": z is float16, expected float32 or float64 (p = softmax(z)); '
            "convert it with z.astype(np.float64)",
        ),
        (
            Flatten(),
            np.ones((2, 3), bool),
            "Flatten: x is bool, expected float32 or float64 (y = x as [batch, features]); "
            "convert it with x.astype(np.float64)",
        ),
    ],
)
def test_what_is_not_an_array_of_floats_is_refused(layer: Layer, x: object, text: str) -> None:
    with pytest.raises(DTypeError) as error:
        layer.forward(x)  # type: ignore[arg-type]
    assert str(error.value) == text


def test_a_gradient_of_another_dtype_is_refused() -> None:
    layer = Tanh(name="squash")
    _, cache = layer.forward(np.ones((2, 3)))
    with pytest.raises(DTypeError) as error:
        layer.backward(np.ones((2, 3), np.float32), cache)
    assert str(error.value) == (
        'Tanh "squash": da is float32, a is float64 (a = tanh(z)); '
        "convert it with da.astype(np.float64)"
    )


@pytest.mark.parametrize("kind", [ReLU, Sigmoid, Tanh])
def test_a_gradient_of_another_shape_is_never_broadcast(kind: type[Layer]) -> None:
    layer = kind()
    _, cache = layer.forward(np.ones((2, 3)))
    for shape in ((2, 1), (3,), (1, 3), (2, 3, 1)):
        with pytest.raises(ShapeError) as error:
            layer.backward(np.ones(shape), cache)
        assert str(error.value) == (
            f"{kind.__name__}: da has shape {shape}, a has shape (2, 3) ({kind.equation})"
        )


def test_a_layer_used_before_its_parameters_are_drawn_says_so() -> None:
    layer = Dense(3, 2, name="hidden")
    text = 'Dense "hidden" has no W yet: draw the parameters first with initialize(seed)'
    for use in (
        lambda: layer.W,
        lambda: layer.parameters,
        lambda: layer.forward(np.ones((4, 3))),
        lambda: Sequential(layer).parameters,
        lambda: Sequential(layer).forward(np.ones((4, 3))),
    ):
        with pytest.raises(NotInitializedError) as error:
            use()
        assert str(error.value) == text
    assert issubclass(NotInitializedError, InputError)


def test_an_attribute_that_no_layer_has_is_an_ordinary_mistake() -> None:
    with pytest.raises(AttributeError) as error:
        _ = Dense(3, 2).V
    assert str(error.value) == "Dense has no attribute 'V'"


def test_a_copy_has_parameters_of_its_own() -> None:
    layer = Dense(3, 2).initialize(np.random.default_rng(0))
    other = copy.deepcopy(layer)
    other.W[0, 0] = 7
    assert layer.W[0, 0] != 7
    assert copy.deepcopy(Dense(3, 2)).sizes == {"in": 3, "out": 2}


def test_the_base_class_computes_nothing() -> None:
    layer = Layer()
    for call in (
        lambda: layer.forward(np.ones(2)),
        lambda: layer.backward(np.ones(2), None),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert layer.initialize(np.random.default_rng(0)) is layer
    assert layer.parameters == {}
