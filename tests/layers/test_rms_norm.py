from __future__ import annotations

import numpy as np
import pytest
import torch

from byhand.errors import InputError, ShapeError
from byhand.layers.rms_norm import RMSNorm

from .peer import assert_same, autograd


def drawn(rng: np.random.Generator) -> RMSNorm:
    layer = RMSNorm(4, epsilon=1e-3).initialize()
    layer.gamma = rng.standard_normal(4)
    return layer


@pytest.mark.parametrize("shape", [(4,), (1, 4), (7, 4), (2, 3, 5, 4)])
def test_outputs_and_gradients_are_pytorchs(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    layer = drawn(rng)
    x, dy = 3 * rng.standard_normal(shape) + 1, rng.standard_normal(shape)
    expected, their_gradients = autograd(
        lambda x, gamma: torch.nn.functional.rms_norm(x, (4,), gamma, 1e-3), dy, x, layer.gamma
    )
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(dy, cache)
    assert_same(y, expected)
    for ours, theirs in zip((dx, gradients["gamma"]), their_gradients, strict=True):
        assert_same(ours, theirs)


def test_every_row_has_root_mean_square_1() -> None:
    x = 5 * np.random.default_rng(0).standard_normal((6, 3, 4)) + 7
    y, _ = RMSNorm(4, epsilon=1e-12).initialize().forward(x)
    np.testing.assert_allclose((y * y).mean(axis=-1), 1, rtol=1e-12)


def test_a_longer_row_is_the_same_row() -> None:
    """So the gradient has no part along x, but for ε."""
    rng = np.random.default_rng(0)
    layer = RMSNorm(4, epsilon=1e-14).initialize()
    x, dy = rng.standard_normal((2, 5, 4))
    y, cache = layer.forward(x)
    assert_same(layer.forward(3 * x)[0], y)
    dx, _ = layer.backward(dy, cache)
    np.testing.assert_allclose((dx * x).sum(axis=-1), 0, atol=1e-12)


def test_errors() -> None:
    layer = RMSNorm(4, name="norm").initialize()
    for shape in ((5, 3), (4, 5), ()):
        with pytest.raises(ShapeError) as error:
            layer.forward(np.ones(shape))
        assert str(error.value) == (
            f'RMSNorm "norm": x has shape {shape}, gamma expects features = 4 on the last axis '
            "(y = γ x / r)"
        )
    with pytest.raises(InputError) as wrong:
        RMSNorm(0)
    assert str(wrong.value) == "RMSNorm: features is at least 1, found 0"
    with pytest.raises(InputError) as wrong:
        RMSNorm(4, epsilon=0.0)
    assert str(wrong.value) == "RMSNorm: epsilon is above 0, found 0.0"
