from __future__ import annotations

import numpy as np
import torch

from byhand.layers import ReLU

from .peer import assert_same, autograd


def test_the_kink_has_slope_zero_as_in_pytorch() -> None:
    z = np.array([-2.0, -0.0, 0.0, 3.0])
    a, cache = ReLU().forward(z)
    assert a.tolist() == [0, 0, 0, 3]
    dz, _ = ReLU().backward(np.full(4, 5.0), cache)
    assert dz.tolist() == [0, 0, 0, 5]
    _, (their_dz,) = autograd(torch.relu, np.full(4, 5.0), z)
    assert_same(dz, their_dz)


def test_not_a_number_is_passed_on_and_not_hidden() -> None:
    a, _ = ReLU().forward(np.array([np.nan, 1.0]))
    assert np.isnan(a[0])


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    z, da = rng.standard_normal((7, 4)), rng.standard_normal((7, 4))
    a, cache = ReLU().forward(z)
    theirs, (their_dz,) = autograd(torch.relu, da, z)
    assert_same(a, theirs)
    assert_same(ReLU().backward(da, cache)[0], their_dz)
