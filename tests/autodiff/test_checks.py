"""gradcheck, and the slopes with error bars that it rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import byhand
from byhand.autodiff import GradientCheck
from byhand.errors import DTypeError, InputError, ShapeError
from byhand.finite_differences import gradient_with_error_bar, slope_with_error_bar

rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4))


def f(x: Any) -> Any:
    return np.sum(np.sin(x) * x)


def df(x: Any) -> Any:
    return np.sin(x) + x * np.cos(x)


def test_a_right_gradient_agrees() -> None:
    check = byhand.gradcheck(f, df, X)
    assert check.agrees
    assert bool(check) is True
    assert check.relative_error < 1e-9
    assert 0 < check.error_bar < 1e-8
    assert byhand.gradcheck(f, df(X), X) == check
    assert byhand.gradcheck(f, byhand.grad(f), X).agrees


def test_a_wrong_element_is_found() -> None:
    wrong = df(X)
    wrong[1, 2] *= 1.001
    check = byhand.gradcheck(f, wrong, X)
    assert not check
    assert check.worst == (1, 2)
    assert check.claimed == wrong[1, 2]
    assert check.measured == pytest.approx(df(X)[1, 2], rel=1e-8)


def test_it_prints_one_line() -> None:
    check = GradientCheck(1.2e-3, 3e-10, (1, 2), 0.5, 0.25, False)
    assert str(check) == (
        "gradient disagrees: relative error 1.2e-03 ± 3.0e-10, "
        "largest at [1, 2]: claimed 0.5, measured 0.25"
    )
    check = GradientCheck(1e-12, 3e-10, (), 0.5, 0.5, True)
    assert str(check) == (
        "gradient agrees: relative error 1.0e-12 ± 3.0e-10, largest: claimed 0.5, measured 0.5"
    )


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_nan_never_agrees(number: float) -> None:
    claim = df(X)
    claim[2, 0] = number
    check = byhand.gradcheck(f, claim, X)
    assert not check.agrees
    assert check.worst == (2, 0)
    assert not byhand.gradcheck(lambda x: np.nan, np.zeros((3, 4)), X).agrees
    assert not byhand.gradcheck(lambda x: np.nan, np.full((3, 4), np.nan), X).agrees


def test_a_gradient_of_zero() -> None:
    def constant(x: Any) -> Any:
        return np.sum(np.exp(x) / np.sum(np.exp(x)))

    assert byhand.gradcheck(constant, 1e-17 * X, X).agrees
    assert byhand.gradcheck(lambda x: 0.0, 0 * X, X).agrees
    assert not byhand.gradcheck(constant, 1e-3 * X, X).agrees
    assert not byhand.gradcheck(lambda x: 0.0, 1e-3 * X, X).agrees


def test_at_a_kink_nothing_agrees() -> None:
    x = np.array([1e-7, 1.0])
    assert not byhand.gradcheck(lambda x: np.sum(np.abs(x)), np.sign, x).agrees


def test_large_arrays_are_sampled() -> None:
    calls = []

    def counted(x: Any) -> Any:
        calls.append(1)
        return np.sum(x**2)

    x = rng.standard_normal((40, 50))
    assert byhand.gradcheck(counted, lambda x: 2 * x, x, elements=20).agrees
    assert len(calls) == 4 * 20 + 1


def test_x_is_left_alone() -> None:
    x = X.copy()

    def gradient(x: Any) -> Any:
        x *= 2
        return df(x / 2)

    assert byhand.gradcheck(f, gradient, x).agrees
    np.testing.assert_array_equal(x, X)


def test_errors() -> None:
    with pytest.raises(ShapeError) as caught:
        byhand.gradcheck(f, np.zeros(4), X)
    assert str(caught.value) == (
        "gradcheck needs a gradient of x's shape (3, 4), found (4,); "
        "∂f/∂x has one number for each element of x"
    )
    with pytest.raises(InputError) as empty:
        byhand.gradcheck(f, np.zeros((0, 2)), np.zeros((0, 2)))
    assert str(empty.value) == "gradcheck needs an x with elements, found shape (0, 2)"
    with pytest.raises(DTypeError) as dtype:
        byhand.gradcheck(f, df, X.astype(np.float32))
    assert str(dtype.value) == (
        "finite differences need float64, found float32; use dtype=np.float64"
    )


def test_a_slope_lies_within_its_error_bar() -> None:
    for g, truth in [
        (np.exp, 1.0),
        (lambda t: np.sin(50 * t), 50.0),
        (lambda t: 1e8 + t, 1.0),
        (lambda t: t**2, 0.0),
        (lambda t: np.sqrt(1 + t), 0.5),
    ]:
        slope, bar = slope_with_error_bar(g)
        assert abs(slope - truth) <= bar
        assert bar < 1e-2


def test_a_kink_makes_the_bar_large() -> None:
    _, bar = slope_with_error_bar(lambda t: abs(t - 3e-6))
    assert bar > 0.1
    assert np.isnan(slope_with_error_bar(lambda t: np.nan)[1])


def test_a_slope_along_a_direction() -> None:
    direction = rng.standard_normal(X.shape)
    slope, bar = slope_with_error_bar(lambda t: float(f(X + t * direction)))
    assert abs(slope - np.sum(df(X) * direction)) <= bar < 1e-7


def test_a_gradient_element_by_element() -> None:
    x = X.copy()
    gradient, bar = gradient_with_error_bar(lambda: float(f(x)), x)
    assert gradient.shape == bar.shape == X.shape
    assert np.all(np.abs(gradient - df(X)) <= bar)
    some, _ = gradient_with_error_bar(lambda: float(f(x)), x, np.array([7, 2]))
    np.testing.assert_array_equal(some, gradient.ravel()[[7, 2]])
    np.testing.assert_array_equal(x, X)
    with pytest.raises(DTypeError, match="finite differences need float64, found float32"):
        gradient_with_error_bar(lambda: 0.0, np.zeros(3, np.float32))
