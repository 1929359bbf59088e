from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from byhand.errors import InputError, ShapeError
from byhand.layers import BatchNorm
from byhand.layers.definitions import batch_norm

from .peer import assert_same, autograd

SHAPES = [(7, 4), (2, 4), (3, 4, 5, 6), (1, 4, 1, 2)]


def drawn(rng: np.random.Generator, features: int = 4, **options: Any) -> BatchNorm:
    """A layer none of whose parameters is 0 or 1."""
    layer = BatchNorm(features, **options).initialize()
    layer.gamma, layer.beta, layer.running_mean = rng.standard_normal((3, features))
    layer.running_variance = rng.uniform(0.5, 2, features)
    return layer


def test_in_training_every_feature_has_mean_0_and_variance_1() -> None:
    x = 5 * np.random.default_rng(0).standard_normal((6, 3, 4, 5)) + 7
    y, _ = BatchNorm(3, epsilon=1e-12).initialize().forward(x, training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(0, 2, 3)), 1, rtol=1e-10)


def test_it_is_the_definition_and_pixels_are_examples() -> None:
    rng = np.random.default_rng(0)
    layer = drawn(rng)
    x = rng.standard_normal((3, 4, 2, 5))
    y, _ = layer.forward(x, training=True)
    rows = x.transpose(0, 2, 3, 1).reshape(-1, 4)
    expected = batch_norm(rows, layer.gamma, layer.beta, layer.epsilon)
    assert_same(y.transpose(0, 2, 3, 1).reshape(-1, 4), expected)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_gradients_and_statistics_are_pytorchs(
    shape: tuple[int, ...], training: bool
) -> None:
    rng = np.random.default_rng(0)
    layer = drawn(rng, epsilon=1e-3, momentum=0.2)
    x, dy = 3 * rng.standard_normal(shape) + 1, rng.standard_normal(shape)
    mean, variance = (torch.tensor(a) for a in (layer.running_mean, layer.running_variance))
    theirs, their_gradients = autograd(
        lambda x, gamma, beta: torch.nn.functional.batch_norm(
            x, mean, variance, gamma, beta, training, momentum=0.2, eps=1e-3
        ),
        *(dy, x, layer.gamma, layer.beta),
    )
    y, cache = layer.forward(x, training)
    dx, gradients = layer.backward(dy, cache)
    assert_same(y, theirs)
    for ours, their in zip(
        (dx, gradients["gamma"], gradients["beta"]), their_gradients, strict=True
    ):
        assert_same(ours, their)
    new = layer.updated_statistics(cache)
    assert set(new) == (set(BatchNorm.statistics) if training else set())
    assert_same(new.get("running_mean", layer.running_mean), mean)
    assert_same(new.get("running_variance", layer.running_variance), variance)


def test_nothing_is_updated_by_a_forward_pass() -> None:
    rng = np.random.default_rng(0)
    layer = drawn(rng)
    before = {name: value.copy() for name, value in layer.parameters.items()}
    _, cache = layer.forward(rng.standard_normal((5, 4)), training=True)
    layer.updated_statistics(cache)
    for name, value in layer.parameters.items():
        np.testing.assert_array_equal(value, before[name])


def test_an_answer_in_evaluation_does_not_depend_on_its_company() -> None:
    rng = np.random.default_rng(0)
    layer, x = drawn(rng), rng.standard_normal((5, 4))
    np.testing.assert_array_equal(layer.forward(x)[0][:1], layer.forward(x[:1])[0])
    in_training = layer.forward(x, training=True)[0][:2]
    assert np.abs(in_training - layer.forward(x[:2], training=True)[0]).max() > 0.1


def test_float32_statistics_stay_float32() -> None:
    layer = BatchNorm(4).initialize(dtype=np.float32)
    _, cache = layer.forward(np.random.default_rng(0).random((5, 4), np.float32), training=True)
    new = layer.updated_statistics(cache)
    assert {value.dtype for value in new.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1)])
def test_one_value_has_no_variance(shape: tuple[int, ...]) -> None:
    layer = BatchNorm(4, name="norm").initialize()
    layer.forward(np.ones(shape))
    with pytest.raises(InputError) as error:
        layer.forward(np.ones(shape), training=True)
    assert str(error.value) == (
        'BatchNorm "norm": in training each feature needs two values or more, found x of shape '
        f"{shape}; use a larger batch, or leave a last one of one example out"
    )


@pytest.mark.parametrize("shape", [(4,), (5, 3), (5, 4, 7), (5, 3, 2, 2)])
def test_an_input_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as error:
        BatchNorm(4, name="norm").initialize().forward(np.ones(shape))
    assert str(error.value) == (
        f'BatchNorm "norm": an example of x has shape {shape[1:]}, gamma expects (4,) or '
        "(4, height, width) (y = γ (x − μ) / σ + β)"
    )


def test_a_gradient_of_another_shape() -> None:
    layer = BatchNorm(4).initialize()
    _, cache = layer.forward(np.ones((5, 4)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones((5, 1)), cache)
    assert str(error.value) == (
        "BatchNorm: dy has shape (5, 1), y has shape (5, 4) (y = γ (x − μ) / σ + β)"
    )


@pytest.mark.parametrize(
    ("features", "options", "text"),
    [
        (0, {}, "features is at least 1, found 0"),
        (4, {"epsilon": 0.0}, "epsilon is above 0, found 0.0"),
        (
            4,
            {"momentum": math.nan},
            "momentum is the share of the new batch in the running statistics, "
            "0 < momentum <= 1, found nan",
        ),
    ],
)
def test_arguments_that_make_no_layer(features: int, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        BatchNorm(features, **options)
    assert str(error.value) == f"BatchNorm: {text}"
