from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch

from byhand.errors import InputError, ShapeError
from byhand.layers.gelu import GELU

from .peer import assert_same, autograd

Form = Literal["erf", "tanh"]


@pytest.mark.parametrize("form", get_args(Form))
def test_outputs_and_gradients_are_pytorchs(form: Form) -> None:
    rng = np.random.default_rng(0)
    z = np.concatenate((3 * rng.standard_normal(50), [0, -30, 30, -1e3, 1e3])).reshape(5, 11)
    da = rng.standard_normal(z.shape)
    approximate = "none" if form == "erf" else "tanh"
    expected, (their_dz,) = autograd(torch.nn.GELU(approximate), da, z)
    layer = GELU(form)
    a, cache = layer.forward(z)
    assert_same(a, expected)
    assert_same(layer.backward(da, cache)[0], their_dz)
    assert layer.settings == {"exact": form == "erf"}


def test_values_known_by_heart() -> None:
    a, _ = GELU().forward(np.array([0.0, 1.0, -1.0, 40.0]))
    below = 0.5 * (1 + math.erf(1 / math.sqrt(2)))  # of the normal distribution, 0.8413
    np.testing.assert_allclose(a, [0, below, below - 1, 40], rtol=1e-15)


def test_how_far_off_the_approximation_is() -> None:
    z = np.linspace(-6, 6, 5001)
    difference = np.abs(GELU().forward(z)[0] - GELU("tanh").forward(z)[0]).max()
    assert 4e-4 < difference < 5e-4


def test_where_it_turns() -> None:
    for form in get_args(Form):
        _, cache = GELU(form).forward(np.array([-0.76, -0.74]))
        below, above = GELU(form).backward(np.ones(2), cache)[0]
        assert below < 0 < above


def test_errors() -> None:
    wrong: Any = "relu"
    with pytest.raises(InputError) as error:
        GELU(wrong)
    assert str(error.value) == 'GELU: form is "erf" or "tanh", found \'relu\''
    _, cache = GELU().forward(np.ones((2, 3)))
    with pytest.raises(ShapeError) as shape:
        GELU().backward(np.ones((1, 3)), cache)
    assert str(shape.value) == "GELU: da has shape (1, 3), z has shape (2, 3) (a = z Φ(z))"
