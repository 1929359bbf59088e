from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from byhand.layers import Sigmoid
from byhand.layers.sigmoid import sigmoid

from .peer import assert_same, autograd


def test_values_known_by_heart() -> None:
    a = sigmoid(np.array([0.0, math.log(3), -math.log(3)]))
    np.testing.assert_allclose(a, [0.5, 0.75, 0.25], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_far_from_zero(dtype: type) -> None:
    z = np.array([-1e30, -1e4, -800, 800, 1e4, 1e30], dtype)
    a, cache = Sigmoid().forward(z)
    assert a.tolist() == [0, 0, 0, 1, 1, 1]
    assert Sigmoid().backward(np.ones_like(z), cache)[0].tolist() == [0] * 6


def test_the_slope_is_a_quarter_at_zero_and_nowhere_more() -> None:
    z = np.linspace(-4, 4, 81)
    _, cache = Sigmoid().forward(z)
    slope, _ = Sigmoid().backward(np.ones_like(z), cache)
    assert slope[40] == 0.25
    assert np.argmax(slope) == 40


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    z, da = 5 * rng.standard_normal((7, 4)), rng.standard_normal((7, 4))
    a, cache = Sigmoid().forward(z)
    theirs, (their_dz,) = autograd(torch.sigmoid, da, z)
    assert_same(a, theirs)
    assert_same(Sigmoid().backward(da, cache)[0], their_dz)
