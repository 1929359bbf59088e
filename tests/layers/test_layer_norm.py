from __future__ import annotations

import numpy as np
import pytest
import torch

from byhand.errors import InputError, ShapeError
from byhand.layers import LayerNorm
from byhand.layers.definitions import layer_norm

from .peer import assert_same, autograd


def drawn(rng: np.random.Generator) -> LayerNorm:
    layer = LayerNorm(4, epsilon=1e-3).initialize()
    layer.gamma, layer.beta = rng.standard_normal((2, 4))
    return layer


def test_every_row_has_mean_0_and_variance_1() -> None:
    x = 5 * np.random.default_rng(0).standard_normal((6, 3, 4)) + 7
    y, _ = LayerNorm(4, epsilon=1e-12).initialize().forward(x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-9)


def test_it_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    layer, x = drawn(rng), rng.standard_normal((5, 4))
    assert_same(layer.forward(x)[0], layer_norm(x, layer.gamma, layer.beta, layer.epsilon))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (7, 4), (2, 3, 5, 4)])
def test_outputs_and_gradients_are_pytorchs(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    layer = drawn(rng)
    x, dy = 3 * rng.standard_normal(shape) + 1, rng.standard_normal(shape)
    theirs, their_gradients = autograd(
        lambda x, gamma, beta: torch.nn.functional.layer_norm(x, (4,), gamma, beta, 1e-3),
        *(dy, x, layer.gamma, layer.beta),
    )
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(dy, cache)
    assert_same(y, theirs)
    for ours, their in zip(
        (dx, gradients["gamma"], gradients["beta"]), their_gradients, strict=True
    ):
        assert_same(ours, their)


def test_wrong_shapes() -> None:
    layer = LayerNorm(4, name="norm").initialize()
    for shape in ((5, 3), (4, 5), ()):
        with pytest.raises(ShapeError) as error:
            layer.forward(np.ones(shape))
        assert str(error.value) == (
            f'LayerNorm "norm": x has shape {shape}, gamma expects features = 4 on the last axis '
            "(y = γ (x − μ) / σ + β)"
        )
    _, cache = layer.forward(np.ones((5, 4)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones((1, 4)), cache)
    assert str(error.value) == (
        'LayerNorm "norm": dy has shape (1, 4), y has shape (5, 4) (y = γ (x − μ) / σ + β)'
    )


def test_arguments_that_make_no_layer() -> None:
    with pytest.raises(InputError) as error:
        LayerNorm(0)
    assert str(error.value) == "LayerNorm: features is at least 1, found 0"
    with pytest.raises(InputError) as error:
        LayerNorm(4, epsilon=-1.0)
    assert str(error.value) == "LayerNorm: epsilon is above 0, found -1.0"
