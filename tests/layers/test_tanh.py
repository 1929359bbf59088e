from __future__ import annotations

import math

import numpy as np
import torch

from byhand.layers import Tanh

from .peer import assert_same, autograd


def test_values_known_by_heart() -> None:
    z = np.array([0.0, math.log(2), -math.log(2)])
    a, cache = Tanh().forward(z)
    np.testing.assert_allclose(a, [0, 0.6, -0.6], rtol=1e-15)
    dz, _ = Tanh().backward(np.ones(3), cache)
    np.testing.assert_allclose(dz, [1, 0.64, 0.64], rtol=1e-15)


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    z, da = 2 * rng.standard_normal((7, 4)), rng.standard_normal((7, 4))
    a, cache = Tanh().forward(z)
    theirs, (their_dz,) = autograd(torch.tanh, da, z)
    assert_same(a, theirs)
    assert_same(Tanh().backward(da, cache)[0], their_dz)
