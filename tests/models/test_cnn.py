from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from byhand.errors import InputError, ShapeError
from byhand.initializers import Glorot, StandardNormal
from byhand.layers import Convolution2D, Dense, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import cnn, lenet

from ..layers.peer import assert_same, autograd

LABELS = np.array([3, 0, 1, 1])


def nielsens(activation: nn.Module) -> nn.Sequential:
    """His network of two convolutions, at a smaller size, with the activation where it is usual:
    before the pooling."""
    return nn.Sequential(
        *(nn.Conv2d(1, 3, 3), activation, nn.MaxPool2d(2)),
        *(nn.Conv2d(3, 5, 3), activation, nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(5 * 1 * 2, 7), activation, nn.Linear(7, 4)),
    )


def todays_lenet() -> nn.Sequential:
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), relu, pool),
        *(nn.Conv2d(6, 16, 5), relu, pool),
        *(nn.Flatten(), nn.Linear(400, 120), relu, nn.Linear(120, 84), relu, nn.Linear(84, 10)),
    )


def small(**options: Any) -> Sequential:
    return cnn([3, 5], [7], 4, image=(1, 12, 14), kernel=3, **options)


@pytest.mark.parametrize(
    ("model", "theirs", "size"),
    [
        (small(activation="sigmoid"), nielsens(nn.Sigmoid()), (12, 14)),
        (small(activation="tanh"), nielsens(nn.Tanh()), (12, 14)),
        (small(), nielsens(nn.ReLU()), (12, 14)),
        (lenet(), todays_lenet(), (28, 28)),
    ],
    ids=["sigmoid", "tanh", "relu", "lenet"],
)
def test_output_loss_and_every_gradient_are_pytorchs(
    model: Sequential, theirs: nn.Sequential, size: tuple[int, int]
) -> None:
    model.initialize(3)
    x = np.random.default_rng(0).standard_normal((len(LABELS), 1, *size))
    loss = SoftmaxCrossEntropy()
    y, caches = model.forward(x)
    value, cache = loss.forward(y, LABELS)
    dx, gradients = model.backward(loss.backward(cache), caches)

    arrays = list(model.parameters.values())
    dense = {f"{a.name}.W" for a in model.layers if isinstance(a, Dense)}
    turned = [name in dense for name in model.parameters]  # a Linear holds W transposed

    def their_loss(x: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        by_name = zip(turned, tensors, strict=True)
        values = [t.T if transpose else t for transpose, t in by_name]
        names = [name for name, _ in theirs.named_parameters()]
        scores = torch.func.functional_call(theirs, dict(zip(names, values, strict=True)), x)
        return nn.functional.cross_entropy(scores, torch.tensor(LABELS))

    their_value, (their_dx, *their_gradients) = autograd(their_loss, 1.0, x, *arrays)
    assert_same(value, float(their_value))
    assert_same(dx, their_dx)
    for name, gradient in zip(model.parameters, their_gradients, strict=True):
        assert_same(gradients[name], gradient)


def test_the_layers_and_their_names() -> None:
    model = cnn([20, 40], [1000, 1000], 10, dropout=0.5)
    assert [str(layer) for layer in model.layers] == [
        'Convolution2D "filters1"',
        'MaxPool2D "maxpool2d1"',
        'ReLU "relu1"',
        'Convolution2D "filters2"',
        'MaxPool2D "maxpool2d2"',
        'ReLU "relu2"',
        'Flatten "flatten1"',
        'Dropout "dropout1"',
        'Dense "hidden1"',
        'ReLU "relu3"',
        'Dropout "dropout2"',
        'Dense "hidden2"',
        'ReLU "relu4"',
        'Dropout "dropout3"',
        'Dense "output"',
    ]
    assert model.output_shape((1, 28, 28)) == (10,)
    assert [str(layer) for layer in cnn([6], [], 3, output="softmax").layers] == [
        'Convolution2D "filters1"',
        'MaxPool2D "maxpool2d1"',
        'ReLU "relu1"',
        'Flatten "flatten1"',
        'Dense "output"',
        'Softmax "softmax1"',
    ]


def test_the_sizes_of_nielsens_network_and_of_lenet() -> None:
    shapes = {n: w.shape for n, w in cnn([20, 40], [100], 10).initialize(0).parameters.items()}
    assert shapes == {
        "filters1.W": (20, 1, 5, 5),
        "filters1.b": (20,),
        "filters2.W": (40, 20, 5, 5),
        "filters2.b": (40,),
        "hidden1.W": (40 * 4 * 4, 100),
        "hidden1.b": (100,),
        "output.W": (100, 10),
        "output.b": (10,),
    }
    assert sum(w.size for w in lenet().initialize(0).parameters.values()) == 61_706
    assert lenet(3).output_shape((1, 28, 28)) == (3,)


def test_initializers_reach_every_layer() -> None:
    model = cnn([200], [150], 10, weights=Glorot(), biases=StandardNormal()).initialize(0)
    for layer in model.layers:
        if isinstance(layer, Convolution2D):
            assert np.abs(layer.W).max() == pytest.approx(np.sqrt(6 / (25 + 200 * 25)), rel=0.01)
        if isinstance(layer, Convolution2D | Dense):
            assert layer.b.std() == pytest.approx(1, rel=0.5)
    largest = np.abs(model.parameters["hidden1.W"]).max()
    assert largest == pytest.approx(np.sqrt(6 / (200 * 144 + 150)), rel=0.01)


SIZES = "channels, hidden, outputs and image (channels, height, width) are at least 1; found "


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([], [100], 10), {}, "channels needs one entry or more, such as [20, 40]; found none"),
        (
            ([20, 0], [100], 10),
            {},
            f"{SIZES}channels = [20, 0], hidden and outputs = [100, 10], image = [1, 28, 28]",
        ),
        (
            ([20], [], 0),
            {},
            f"{SIZES}channels = [20], hidden and outputs = [0], image = [1, 28, 28]",
        ),
        (
            ([20], [], 10),
            {"image": (28, 28)},
            f"{SIZES}channels = [20], hidden and outputs = [10], image = [28, 28]",
        ),
        (
            ([20], [], 10),
            {"activation": "gelu"},
            "activation is one of sigmoid, tanh, relu; found 'gelu'",
        ),
        (
            ([20], [], 10),
            {"output": "relu"},
            "output is one of sigmoid, tanh, softmax or left out; found 'relu'",
        ),
        (
            ([20], [], 10),
            {"dropout": 1.0},
            "Dropout: rate is the share dropped, 0 <= rate < 1, found 1.0",
        ),
        (
            ([20], [], 10),
            {"pool": 0},
            "MaxPool2D: kernel is at least 1, one number or a pair (height, width); found 0",
        ),
    ],
)
def test_arguments_that_make_no_network(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises(InputError) as error:
        cnn(*arguments, **options)
    assert str(error.value) == text


def test_an_image_that_is_used_up() -> None:
    with pytest.raises(ShapeError) as error:
        cnn([20, 40, 80], [100], 10)
    assert str(error.value) == (
        'Convolution2D "filters3": an image is 4 x 4, the kernel spans 5 x 5 (z = x ⋆ W + b); '
        "make the kernel smaller or the padding larger"
    )
