from __future__ import annotations

import numpy as np
import pytest

from byhand.errors import DTypeError
from byhand.finite_differences import numerical_gradient, relative_error


def test_a_derivative_known_by_heart() -> None:
    x = np.array([[0.3, -1.2, 4.0], [0.0, 2.5, -0.7]])
    gradient = numerical_gradient(lambda: float(np.sum(np.sin(x) * x)), x)
    assert gradient.shape == x.shape
    assert relative_error(gradient, np.sin(x) + x * np.cos(x)) < 1e-9


def test_large_numbers_are_nudged_by_a_share_of_themselves() -> None:
    x = np.array([1e6, 1e-6])
    gradient = numerical_gradient(lambda: float(np.sum(x**2)) / 2, x)
    assert gradient[0] == pytest.approx(1e6, rel=1e-9)


def test_chosen_elements_in_row_order() -> None:
    x = np.arange(6.0).reshape(2, 3)
    gradient = numerical_gradient(lambda: float(np.sum(x**2)), x, np.array([5, 1]))
    np.testing.assert_allclose(gradient, [10, 2], rtol=1e-9)


def test_x_is_put_back_exactly() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3)) * np.logspace(-20, 20, 3)
    before = x.copy()
    numerical_gradient(lambda: float(np.sum(x**3)), x)
    np.testing.assert_array_equal(x, before)


def test_a_view_is_nudged_where_it_lies() -> None:
    whole = np.arange(6.0).reshape(2, 3)
    gradient = numerical_gradient(lambda: float(np.sum(whole**2)), whole.T)
    np.testing.assert_allclose(gradient, 2 * whole.T, rtol=1e-9, atol=1e-9)


def test_float32_has_too_few_digits() -> None:
    x = np.ones(3, np.float32)
    with pytest.raises(DTypeError) as error:
        numerical_gradient(lambda: float(x.sum()), x)
    assert str(error.value) == (
        "finite differences need float64, found float32; use dtype=np.float64"
    )


def test_relative_error() -> None:
    a = np.array([3.0, 4.0])
    assert relative_error(a, a) == 0
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(a, np.zeros(2)) == 1
    assert relative_error(a, 2 * a) == 0.5
    assert relative_error(a, -a) == 2
    assert np.isnan(relative_error(a, np.array([np.nan, 4.0])))
