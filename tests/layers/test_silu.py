from __future__ import annotations

import numpy as np
import pytest
import torch

from byhand.errors import ShapeError
from byhand.layers.silu import SiLU

from .peer import assert_same, autograd


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    z = np.concatenate((3 * rng.standard_normal(50), [0, -30, 30, -1e3, 1e3])).reshape(5, 11)
    da = rng.standard_normal(z.shape)
    expected, (their_dz,) = autograd(torch.nn.SiLU(), da, z)
    a, cache = SiLU().forward(z)
    assert_same(a, expected)
    assert_same(SiLU().backward(da, cache)[0], their_dz)


def test_where_it_turns() -> None:
    a, cache = SiLU().forward(np.array([-1.29, -1.28, -1.27, 0.0]))
    below, _, above, at_zero = SiLU().backward(np.ones(4), cache)[0]
    assert below < 0 < above
    assert at_zero == 0.5
    assert a[1] == pytest.approx(-0.28, abs=0.002)


def test_a_gradient_of_the_wrong_shape() -> None:
    _, cache = SiLU().forward(np.ones((2, 3)))
    with pytest.raises(ShapeError) as error:
        SiLU().backward(np.ones((1, 3)), cache)
    assert str(error.value) == "SiLU: da has shape (1, 3), z has shape (2, 3) (a = z σ(z))"
