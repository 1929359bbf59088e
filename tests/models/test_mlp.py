from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from byhand.errors import InputError
from byhand.initializers import Glorot, StandardNormal
from byhand.layers import Dense, Dropout, Flatten, ReLU, Sequential, Sigmoid, Softmax, Tanh
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
    one_hot,
)
from byhand.models import mlp

from ..layers.peer import assert_same, autograd

BATCH, CLASSES = 6, 4
LABELS = np.array([0, 3, 1, 1, 2, 0])
ONE_HOT = one_hot(LABELS, CLASSES, np.float64)


def pytorch(model: Sequential, masks: dict[str, Any], tensors: dict[str, Any], x: Any) -> Any:
    """The same model in PyTorch's own functions."""
    for layer in model.layers:
        if isinstance(layer, Dense):
            x = F.linear(x, tensors[f"{layer.name}.W"].T, tensors[f"{layer.name}.b"])
        elif isinstance(layer, Dropout):
            x = x * torch.tensor(masks[str(layer.name)]) if masks else x
        else:
            x = {
                Flatten: lambda x: torch.flatten(x, 1),
                Sigmoid: torch.sigmoid,
                Tanh: torch.tanh,
                ReLU: torch.relu,
                Softmax: lambda x: torch.softmax(x, 1),
            }[type(layer)](x)
    return x


def their_loss(loss: Loss, y: Any) -> Any:
    t = torch.tensor(ONE_HOT)
    return {
        QuadraticCost: lambda: F.mse_loss(y, t, reduction="sum") / 2 / BATCH,
        SoftmaxCrossEntropy: lambda: F.cross_entropy(y, torch.tensor(LABELS)),
        CrossEntropy: lambda: F.nll_loss(torch.log(y), torch.tensor(LABELS)),
        BinaryCrossEntropyWithLogits: lambda: (
            F.binary_cross_entropy_with_logits(y, t, reduction="sum") / BATCH
        ),
    }[type(loss)]()


@pytest.mark.parametrize(
    ("sizes", "options", "loss"),
    [
        ([10, 7, 4], {"output": "sigmoid"}, QuadraticCost()),
        ([10, 4], {}, SoftmaxCrossEntropy()),
        ([10, 7, 5, 4], {"activation": "relu", "dropout": 0.4}, SoftmaxCrossEntropy()),
        (
            [10, 7, 5, 4],
            {"activation": "tanh", "dropout": 0.3, "input_dropout": 0.2},
            BinaryCrossEntropyWithLogits(),
        ),
        ([10, 7, 4], {"activation": "tanh", "output": "softmax"}, CrossEntropy()),
        ([10, 9, 8, 7, 4], {"output": "tanh", "dropout": 0.5}, QuadraticCost()),
    ],
)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_output_loss_and_every_gradient_are_pytorchs(
    sizes: list[int], options: dict[str, Any], loss: Loss, training: bool
) -> None:
    normal = {"weights": StandardNormal(), "biases": StandardNormal()}
    model = mlp(sizes, **options, **normal).initialize(3)
    x = np.random.default_rng(0).standard_normal((BATCH, 2, 5))
    masks = model.draw_masks(BATCH, (2, 5), 0, 1, np.float64) if training else {}
    assert len(masks) == (sum(isinstance(a, Dropout) for a in model.layers) if training else 0)

    y, caches = model.forward(x, masks)
    value, cache = loss.forward(y, loss.encode(LABELS, CLASSES, np.float64))
    dx, gradients = model.backward(loss.backward(cache), caches)

    names = list(model.parameters)

    def theirs(x: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        return pytorch(model, masks, dict(zip(names, tensors, strict=True)), x)

    arrays = [x, *model.parameters.values()]
    assert_same(y, theirs(*map(torch.tensor, arrays)).numpy())
    their_value, (their_dx, *their_gradients) = autograd(
        lambda *leaves: their_loss(loss, theirs(*leaves)), 1.0, *arrays
    )
    assert_same(value, float(their_value))
    assert_same(dx, their_dx)
    assert gradients.keys() == set(names)
    for name, gradient in zip(names, their_gradients, strict=True):
        assert_same(gradients[name], gradient)


def test_the_layers_and_their_names() -> None:
    model = mlp([784, 30, 20, 10], activation="relu", output="softmax", dropout=0.5)
    assert [str(layer) for layer in model.layers] == [
        'Flatten "flatten1"',
        'Dense "hidden1"',
        'ReLU "relu1"',
        'Dropout "dropout1"',
        'Dense "hidden2"',
        'ReLU "relu2"',
        'Dropout "dropout2"',
        'Dense "output"',
        'Softmax "softmax1"',
    ]
    assert model.output_shape((1, 28, 28)) == (10,)
    assert [str(layer) for layer in mlp([5, 2], input_dropout=0.1).layers] == [
        'Flatten "flatten1"',
        'Dropout "dropout1"',
        'Dense "output"',
    ]


def test_initializers_reach_every_dense_layer() -> None:
    model = mlp([300, 200, 100], weights=Glorot(), biases=StandardNormal()).initialize(0)
    for name, fan in (("hidden1", 500), ("output", 300)):
        weights, biases = model.parameters[f"{name}.W"], model.parameters[f"{name}.b"]
        assert np.abs(weights).max() == pytest.approx(np.sqrt(6 / fan), rel=0.01)
        assert biases.std() == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize(
    ("sizes", "options", "text"),
    [
        (
            [784],
            {},
            "sizes needs at least inputs and outputs, each at least 1, such as [784, 30, 10]; "
            "found [784]",
        ),
        (
            (784, 0, 10),
            {},
            "sizes needs at least inputs and outputs, each at least 1, such as [784, 30, 10]; "
            "found [784, 0, 10]",
        ),
        (
            [784, 10],
            {"activation": "gelu"},
            "activation is one of sigmoid, tanh, relu; found 'gelu'",
        ),
        (
            [784, 10],
            {"output": "relu"},
            "output is one of sigmoid, tanh, softmax or left out; found 'relu'",
        ),
        (
            [784, 30, 10],
            {"dropout": 1.0},
            "Dropout: rate is the share dropped, 0 <= rate < 1, found 1.0",
        ),
        (
            [784, 10],
            {"input_dropout": -0.5},
            "Dropout: rate is the share dropped, 0 <= rate < 1, found -0.5",
        ),
    ],
)
def test_arguments_that_make_no_network(sizes: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        mlp(sizes, **options)
    assert str(error.value) == text
