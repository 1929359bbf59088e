"""Against captum, PyTorch's autograd, finite differences, and a reference in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop

from byhand.finite_differences import numerical_gradient, relative_error
from byhand.initializers import StandardNormal
from byhand.layers import (
    AveragePool2D,
    BatchNorm,
    Convolution2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from byhand.layers.residual import Residual
from byhand.models.efficientnet_lite import ReLU6
from byhand.views.projection import STEPS, back_to_pixels
from byhand.views.saliency import strongest_units

CAPTUM = {
    "gradient": NeuronGradient,
    "guided": NeuronGuidedBackprop,
    "projection": NeuronDeconvolution,
}
NORMAL = {"weights": StandardNormal(), "biases": StandardNormal()}
IMAGES = np.random.default_rng(1).standard_normal((3, 2, 11, 10))


def network() -> Sequential:
    """Every kind of layer with a rule of its own or a derivative that matters here."""
    layers = (
        *(Convolution2D(2, 4, 3, padding=1, **NORMAL), BatchNorm(4), ReLU()),
        *(MaxPool2D(3, stride=2, padding=1), Dropout(0.5)),
        Residual(Convolution2D(4, 4, 3, padding=1, **NORMAL), ReLU(), name="block"),
        *(Convolution2D(4, 6, (2, 3), stride=(2, 1), groups=2, **NORMAL), ReLU()),
        *(AveragePool2D(2), Flatten(), Dense(6 * 1 * 1, 5, **NORMAL)),
    )
    model = Sequential(*layers).initialize(0)
    shift = np.random.default_rng(2).uniform(0.5, 1, 4)
    for k, symbol in enumerate(("gamma", "beta", "running_mean", "running_variance")):
        model.parameters[f"batchnorm1.{symbol}"] += (0.7, -0.2, 0.3, 2.0)[k] * shift
    model.parameters["convolution2d2.b"] += 2  # or hardly a rectifier is on
    return model


class Skip(torch.nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def twin(model: Sequential) -> torch.nn.Sequential:
    """The same network of PyTorch's own modules."""
    modules = [module(layer) for layer in model.layers]
    return torch.nn.Sequential(*modules).eval()


def module(layer: Layer) -> torch.nn.Module:
    match layer:
        case Convolution2D(windows=w, sizes=s):
            made: Any = torch.nn.Conv2d(
                s["in"], s["out"], w.kernel, w.stride, w.padding, w.dilation, layer.groups
            )
            values = {"weight": layer.W, "bias": layer.b}
        case Dense(sizes=s):
            made = torch.nn.Linear(s["in"], s["out"])
            values = {"weight": layer.W.T, "bias": layer.b}
        case BatchNorm():
            made = torch.nn.BatchNorm2d(len(layer.gamma), eps=layer.epsilon)
            values = {"weight": layer.gamma, "bias": layer.beta}
            values |= {"running_mean": layer.running_mean, "running_var": layer.running_variance}
        case Residual():
            return Skip(*(module(inner) for inner in layer.layers))
        case MaxPool2D(windows=w):
            return torch.nn.MaxPool2d(w.kernel, w.stride, w.padding)
        case AveragePool2D(windows=w):
            return torch.nn.AvgPool2d(w.kernel, w.stride, w.padding)
        case _:
            kinds = {"ReLU": "ReLU", "Flatten": "Flatten", "Dropout": "Dropout"}
            return getattr(torch.nn, kinds[type(layer).__name__])()
    made.double().load_state_dict({n: torch.tensor(v) for n, v in values.items()}, strict=False)
    return made


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks on ReLU")
@pytest.mark.parametrize("method", STEPS)
@pytest.mark.parametrize("place", [10, 7, 5, 4])
def test_the_same_as_captum(method: str, place: int) -> None:
    model = network()
    layers = model.layers[: place + 1]
    y, _ = Sequential(*layers).forward(IMAGES)
    units, positions = strongest_units(y, layers[-1])
    other = twin(model)
    ours = back_to_pixels(method, layers, IMAGES, units, positions)
    assert np.abs(ours).max(axis=(1, 2, 3)).min() > 0
    for k, unit in enumerate(units.tolist()):
        at = (unit, *positions[k].tolist())[: y.ndim - 1]
        x = torch.tensor(IMAGES[k : k + 1], requires_grad=True)
        theirs = CAPTUM[method](other, other[place]).attribute(x, at)
        np.testing.assert_allclose(ours[k], theirs[0].detach().numpy(), rtol=1e-10, atol=1e-12)


def test_the_gradient_is_measured() -> None:
    model = network()
    x = IMAGES[:1].copy()

    def objective() -> float:
        return float(model.forward(x)[0][0, 2])

    ours = back_to_pixels("gradient", model.layers, x, np.array([2]), np.zeros((1, 2), int))
    assert relative_error(ours, numerical_gradient(objective, x)) < 1e-7


def filters_transposed(dz: Any, W: Any) -> Any:
    """Each unit paints its filter, times its signal, on the pixels that it sees."""
    out, channels, kh, kw = W.shape
    _, rows, columns = dz.shape
    x = np.zeros((channels, rows + kh - 1, columns + kw - 1))
    for o, p, q in np.ndindex(out, rows, columns):
        x[:, p : p + kh, q : q + kw] += dz[o, p, q] * W[o]
    return x


def unpooled(dy: Any, x: Any) -> Any:
    """Each number goes to where the largest of its 2 x 2 pixels was."""
    whole = np.zeros_like(x)
    for c, p, q in np.ndindex(*dy.shape):
        window = x[c, 2 * p : 2 * p + 2, 2 * q : 2 * q + 2]
        i, j = np.unravel_index(window.argmax(), (2, 2))
        whole[c, 2 * p + i, 2 * q + j] = dy[c, p, q]
    return whole


@pytest.mark.parametrize("method", STEPS)
def test_the_same_as_the_definition_in_loops(method: str) -> None:
    first, second = Convolution2D(1, 3, 3, **NORMAL), Convolution2D(3, 4, 2, **NORMAL)
    layers = Sequential(first, MaxPool2D(2), ReLU(), second, ReLU()).initialize(3).layers
    image = np.random.default_rng(4).standard_normal((1, 8, 8))
    z1, _ = first.forward(image[None])
    y1, _ = layers[1].forward(z1)
    z2, _ = second.forward(np.maximum(y1, 0))
    unit, row, column = np.unravel_index(z2[0].argmax(), z2.shape[1:])

    signal = np.zeros_like(z2[0])
    signal[unit, row, column] = 1
    signal = filters_transposed(signal, second.W)
    if method != "gradient":
        signal = np.maximum(signal, 0)
    if method != "projection":
        signal = signal * (y1[0] > 0)
    expected = filters_transposed(unpooled(signal, z1[0]), first.W)

    found = back_to_pixels(method, layers, image[None], np.array([unit]), np.array([[row, column]]))
    np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-12)


def test_what_stands_in_for_a_rectifier() -> None:
    """The projection takes a sigmoid for one, and passes through tanh; the others differentiate."""
    x = np.array([[[[0.5, -2.0]]]])
    unit, position = np.array([0]), np.array([[0, 0]])
    dense = Dense(2, 1, **NORMAL).initialize(0)
    dense.W[:] = [[3.0], [-1.0]]
    for activation, expected in ((Sigmoid(), [3.0, 0.0]), (Tanh(), [3.0, -1.0])):
        layers = [activation, Flatten(), dense]
        projected = back_to_pixels("projection", layers, x, unit, position)
        np.testing.assert_array_equal(projected.ravel(), expected)
        slope = back_to_pixels("gradient", layers, x, unit, position)
        np.testing.assert_array_equal(back_to_pixels("guided", layers, x, unit, position), slope)
        a = activation.forward(x)[0]
        by_hand = (a * (1 - a) if isinstance(activation, Sigmoid) else 1 - a**2) * [3.0, -1.0]
        np.testing.assert_allclose(slope, by_hand, rtol=1e-12)


def test_a_softmax_and_a_global_mean_take_their_derivative() -> None:
    x = np.random.default_rng(5).standard_normal((1, 3, 2, 2))
    layers = [GlobalAveragePool2D(), Softmax()]
    p = Softmax().forward(x.mean(axis=(2, 3)))[0][0]
    expected = p[1] * ((np.arange(3) == 1) - p) / 4
    for method in STEPS:
        found = back_to_pixels(method, layers, x, np.array([1]), np.array([[0, 0]]))
        np.testing.assert_allclose(found[0].mean(axis=(1, 2)), expected, rtol=1e-12)


def test_a_rectifier_that_ends_at_6_is_a_rectifier() -> None:
    z = np.array([[[[2.0, -2.0, 7.0, 2.0]]]])
    dense = Dense(4, 1).initialize(0)
    dense.W[:] = [[3.0], [3.0], [3.0], [-3.0]]
    layers = [ReLU6(), Flatten(), dense]
    expected = {"gradient": [3, 0, 0, -3], "projection": [3, 3, 3, 0], "guided": [3, 0, 0, 0]}
    for method, signal in expected.items():
        found = back_to_pixels(method, layers, z, np.array([0]), np.zeros((1, 2), int))
        np.testing.assert_array_equal(found.ravel(), signal)
