from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from byhand import engines
from byhand.layers import BatchNorm, Convolution2D, Dense, Sequential
from byhand.layers.residual import Residual
from byhand.losses import SoftmaxCrossEntropy
from byhand.models.efficientnet_lite import ReLU6, efficientnet_lite0, widened
from byhand.optimizers import SGD


def test_relu6_and_its_derivative() -> None:
    z = np.array([-1.0, 0.0, 0.5, 5.9, 6.0, 9.0])
    a, cache = ReLU6().forward(z)
    np.testing.assert_array_equal(a, [0, 0, 0.5, 5.9, 6, 6])
    tensor = torch.tensor(z, requires_grad=True)
    F.relu6(tensor).sum().backward()
    np.testing.assert_array_equal(ReLU6().backward(np.ones(6), cache)[0], tensor.grad.numpy())


def test_a_residual_block_trains_as_its_layers_would() -> None:
    """One step on the NumPy engine, running statistics included."""
    inner = (Dense(4, 4, name="dense"), BatchNorm(4, name="norm"))
    model = Sequential(Residual(*inner, name="block"), Dense(4, 3, name="output")).initialize(1)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.5))
    rng = np.random.default_rng(2)
    x, t = rng.standard_normal((6, 4)), np.arange(6) % 3
    before = program.parameters()
    _, gradients = program.gradients(x, t, step=0)
    program.train(x, t, np.arange(6), 6, 0, [0.5])
    after = program.parameters()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(after[name], before[name] - 0.5 * gradient, rtol=1e-12)
    of_batch = (x @ before["block.dense.W"] + before["block.dense.b"]).mean(axis=0)
    np.testing.assert_allclose(after["block.norm.running_mean"], 0.1 * of_batch, rtol=1e-12)
    program.set_parameters(before)
    np.testing.assert_array_equal(program.parameters()["block.dense.W"], before["block.dense.W"])


@pytest.mark.parametrize(("kernel", "above"), [(3, 0), (5, 1)])
def test_a_first_row_of_zeros_is_the_padding_of_tensorflow(kernel: int, above: int) -> None:
    """An image of 8 is halved with kernel - 2 zeros in all, the odd one below."""
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, kernel, kernel))
    below = kernel - 2 - above
    expected = F.conv2d(
        F.pad(torch.tensor(x), (above, below, above, below)), torch.tensor(W), None, 2
    )
    layer = Convolution2D(3, 4, kernel + 1, stride=2, padding=kernel // 2).initialize(0)
    layer.W, layer.b = widened(W), np.zeros(4)
    np.testing.assert_allclose(layer.forward(x)[0], expected.numpy(), rtol=1e-10, atol=1e-12)


def test_the_shapes_of_the_network() -> None:
    model = efficientnet_lite0()
    shapes, shape = {}, (3, 224, 224)
    for layer in model.layers:
        shape = layer.output_shape(shape)
        shapes[layer.name] = shape
    assert shapes["stem"] == (32, 112, 112)
    ends = {0: (16, 112), 2: (24, 56), 4: (40, 28), 7: (80, 14), 10: (112, 14), 14: (192, 7)}
    for number, (channels, side) in ends.items():
        name = f"block{number}" if f"block{number}" in shapes else f"block{number}_project_norm"
        assert shapes[name] == (channels, side, side)
    assert shapes["block15_project_norm"] == (320, 7, 7)
    assert (shapes["mean"], shapes["scores"]) == ((1280,), (1000,))
    residual = [layer.name for layer in model.layers if isinstance(layer, Residual)]
    assert residual == [f"block{k}" for k in (2, 4, 6, 7, 9, 10, 12, 13, 14)]
