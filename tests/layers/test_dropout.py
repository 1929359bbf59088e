from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers import Dropout
from byhand.randomness import stream

from .peer import assert_same, autograd


def test_evaluation_changes_nothing() -> None:
    x = np.array([[1.0, -2.0, 3.0]])
    y, cache = Dropout(0.9).forward(x)
    np.testing.assert_array_equal(y, x)
    dx, gradients = Dropout(0.9).backward(x, cache)
    np.testing.assert_array_equal(dx, x)
    assert gradients == {}


def test_what_is_kept_is_scaled_up() -> None:
    mask = Dropout(0.75).draw_mask((50, 40), np.random.default_rng(0), np.float64)
    assert set(mask.ravel()) == {0.0, 4.0}
    y, _ = Dropout(0.75).forward(np.full((50, 40), 3.0), mask)
    assert set(y.ravel()) == {0.0, 12.0}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_mean_of_a_mask_is_one(rate: float) -> None:
    n = 100_000
    mask = Dropout(rate).draw_mask((n,), np.random.default_rng(0), np.float64)
    # m has variance rate / (1 - rate); five standard errors of the mean.
    assert abs(mask.mean() - 1) < 5 * math.sqrt(rate / (1 - rate) / n)
    dropped = np.mean(mask == 0)
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / n)


def test_nothing_is_dropped_at_rate_zero() -> None:
    mask = Dropout(0.0).draw_mask((5, 4), np.random.default_rng(0), np.float64)
    np.testing.assert_array_equal(mask, np.ones((5, 4)))


def test_float32_and_float64_drop_the_same_units() -> None:
    single = Dropout(0.3).draw_mask((64, 30), stream(0, "dropout", 5, 2), np.float32)
    double = Dropout(0.3).draw_mask((64, 30), stream(0, "dropout", 5, 2), np.float64)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single > 0, double > 0)
    np.testing.assert_allclose(single, double, rtol=1e-6)
    assert 0 < np.count_nonzero(single) < single.size


def test_outputs_and_gradients_are_pytorchs_with_the_same_mask() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((7, 4)), rng.standard_normal((7, 4))

    def theirs(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return torch.nn.functional.dropout(x, 0.4)

    mask, _ = autograd(theirs, np.ones_like(x), np.ones_like(x))
    assert 0 < np.count_nonzero(mask) < mask.size
    their_y, (their_dx,) = autograd(theirs, dy, x)
    y, cache = Dropout(0.4).forward(x, mask)
    assert_same(y, their_y)
    assert_same(Dropout(0.4).backward(dy, cache)[0], their_dx)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, math.nan])
def test_a_rate_that_is_no_share(rate: float) -> None:
    with pytest.raises(InputError) as error:
        Dropout(rate, name="thin")
    assert str(error.value) == (
        f'Dropout "thin": rate is the share dropped, 0 <= rate < 1, found {rate}'
    )


def test_a_mask_that_does_not_fit() -> None:
    with pytest.raises(ShapeError) as error:
        Dropout(0.5).forward(np.ones((5, 3)), np.ones((5, 1)))
    assert str(error.value) == "Dropout: m has shape (5, 1), x has shape (5, 3) (y = x m)"
    with pytest.raises(DTypeError) as dtype_error:
        Dropout(0.5).forward(np.ones((5, 3)), np.ones((5, 3), np.float32))
    assert str(dtype_error.value) == (
        "Dropout: m is float32, x is float64 (y = x m); convert it with m.astype(np.float64)"
    )
    _, cache = Dropout(0.5).forward(np.ones((5, 3)), np.ones((5, 3)))
    with pytest.raises(ShapeError) as error:
        Dropout(0.5).backward(np.ones((5, 1)), cache)
    assert str(error.value) == "Dropout: dy has shape (5, 1), m has shape (5, 3) (y = x m)"
