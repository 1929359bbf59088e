from __future__ import annotations

import numpy as np
import pytest
import torch

from byhand.errors import ShapeError
from byhand.layers import GRU, BatchNorm, Concatenation, Dense, Dropout, LastStep, Sequential, Tanh

from .peer import assert_same, autograd


def test_the_same_in_pytorch() -> None:
    layer = Concatenation(Dense(3, 2, name="f")).initialize(0)
    x, dy = np.random.default_rng(0).standard_normal((2, 4, 6, 5))
    x = x[..., :3]
    W, b = layer.parameters.values()
    expected, (their_dx, dW, db) = autograd(
        lambda x, W, b: torch.cat((x, x @ W + b), -1), dy, x, W, b
    )
    y, caches = layer.forward(x)
    dx, gradients = layer.backward(dy, caches)
    assert_same(y, expected)
    assert_same(dx, their_dx)
    assert_same(gradients["f.W"], dW)
    assert_same(gradients["f.b"], db)


def test_states_inside() -> None:
    model = Sequential(Concatenation(GRU(3, 2, name="gru"), name="both")).initialize(0)
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    whole, _ = model.forward(x)
    first, caches = model.forward(x[:, :2])
    states = model.final_states(caches)
    assert states.keys() == {"both.gru"}
    rest, _ = model.forward(x[:, 2:], states=states)
    assert_same(np.concatenate((first, rest), axis=1), whole)
    assert_same(whole[..., :3], x)


def test_dropout_and_statistics_inside() -> None:
    layers = BatchNorm(3, name="norm"), Dropout(0.5, name="drop")
    model = Sequential(Concatenation(*layers, name="both")).initialize(0)
    x = np.random.default_rng(0).standard_normal((6, 3))
    masks = model.draw_masks(6, (3,), seed=0, step=1, dtype=np.float64)
    assert masks.keys() == {"both.drop"}
    y, caches = model.forward(x, masks)
    normed = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    assert_same(y, np.concatenate((x, normed * masks["both.drop"]), axis=1))
    new = model.updated_statistics(caches)
    np.testing.assert_allclose(new["both.norm.running_mean"], 0.1 * x.mean(axis=0))


def test_what_does_not_stand_side_by_side() -> None:
    layer = Concatenation(Tanh(), LastStep(), name="both")
    text = (
        'Concatenation "both": x has shape {}, f(x) {}, which have all axes but the last in '
        "common (y = (x, f(x)))"
    )
    with pytest.raises(ShapeError) as error:
        layer.output_shape((4, 3))
    assert str(error.value) == text.format((4, 3), (3,))
    with pytest.raises(ShapeError) as error:
        layer.forward(np.ones((2, 4, 3)))
    assert str(error.value) == text.format((2, 4, 3), (2, 3))
