from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from byhand import initializers
from byhand.errors import InputError
from byhand.initializers import (
    Glorot,
    He,
    Initializer,
    NormalFanIn,
    Orthogonal,
    StandardNormal,
    Zeros,
)

FAN_IN, FAN_OUT = 300, 200
N = FAN_IN * FAN_OUT
INITIALIZERS = [
    value
    for value in vars(initializers).values()
    if isinstance(value, type) and issubclass(value, Initializer) and value is not Initializer
]


def draw(initializer: Initializer) -> Any:
    rng = np.random.default_rng(0)
    return initializer.draw(rng, (FAN_IN, FAN_OUT), FAN_IN, FAN_OUT, np.float64)


@pytest.mark.parametrize(
    ("initializer", "variance", "kurtosis"),
    [
        (StandardNormal(), 1, 3),
        (NormalFanIn(), 1 / FAN_IN, 3),
        (Glorot(), 2 / (FAN_IN + FAN_OUT), 9 / 5),
        (He(), 2 / FAN_IN, 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_moments(initializer: Initializer, variance: float, kurtosis: float) -> None:
    """Each within five of its own standard errors, so a right draw fails once in a million."""
    w = draw(initializer) / math.sqrt(variance)
    assert w.shape == (FAN_IN, FAN_OUT)
    assert abs(w.mean()) < 5 / math.sqrt(N)
    assert abs((w**2).mean() - 1) < 5 * math.sqrt((kurtosis - 1) / N)
    # The fourth moment has variance E w⁸ - (E w⁴)²: 105 - 9 for a normal, 9 - 81/25 for a uniform.
    eighth = 105 if kurtosis == 3 else 9
    assert abs((w**4).mean() - kurtosis) < 5 * math.sqrt((eighth - kurtosis**2) / N)


def to(fill: Callable[[torch.Tensor], Any]) -> Any:
    """What PyTorch fills a matrix of the same fans with; its axes are [out, in]."""
    torch.manual_seed(0)
    return fill(torch.empty(FAN_OUT, FAN_IN, dtype=torch.float64)).numpy()


@pytest.mark.parametrize(
    ("initializer", "fill"),
    [
        (StandardNormal(), torch.nn.init.normal_),
        (Glorot(), torch.nn.init.xavier_uniform_),
        (He(), lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu")),
        (NormalFanIn(), lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="linear")),
    ],
    ids=["StandardNormal", "Glorot", "He", "NormalFanIn"],
)
def test_the_distribution_is_pytorchs(initializer: Initializer, fill: Any) -> None:
    """Kolmogorov-Smirnov: equal distributions exceed the bound once in a thousand."""
    ours, theirs = np.sort(draw(initializer), axis=None), np.sort(to(fill), axis=None)
    every = np.concatenate([ours, theirs])
    apart = np.searchsorted(ours, every, "right") - np.searchsorted(theirs, every, "right")
    assert np.abs(apart).max() / N < 1.95 * math.sqrt(2 / N)


def test_glorot_is_bounded() -> None:
    r = math.sqrt(6 / (FAN_IN + FAN_OUT))
    w = draw(Glorot())
    assert 0.999 * r < np.abs(w).max() <= r


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5), (3, 2, 4), (9, 2, 2)])
def test_rows_or_columns_are_orthonormal(shape: tuple[int, ...]) -> None:
    w = Orthogonal().draw(np.random.default_rng(0), shape, 1, 1, np.float64)
    assert w.shape == shape
    matrix = w.reshape(shape[0], -1)
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(short @ short.T, np.eye(len(short)), rtol=0, atol=1e-14)


def test_orthogonal_matrices_are_uniform() -> None:
    """Without the signs of R, the corner of Q would never change its sign."""
    draws = 400
    rng = np.random.default_rng(0)
    q = np.stack([Orthogonal().draw(rng, (3, 3), 3, 3, np.float64) for _ in range(draws)])
    # Every element of a uniform 3 × 3 rotation has mean 0 and variance 1/3.
    assert np.abs(q.mean(axis=0)).max() < 5 / math.sqrt(3 * draws)
    assert np.abs((q**2).mean(axis=0) - 1 / 3).max() < 5 * math.sqrt(4 / 45 / draws)


def test_orthogonal_needs_a_matrix() -> None:
    with pytest.raises(InputError) as error:
        Orthogonal().draw(np.random.default_rng(0), (10,), 5, 10, np.float64)
    assert str(error.value) == "orthogonal needs a matrix, found shape (10,); give biases zeros"


def test_zeros() -> None:
    assert Zeros().draw(np.random.default_rng(0), (3,), 5, 3, np.float32).tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", INITIALIZERS, ids=lambda kind: kind.__name__)
def test_float32_starts_from_the_same_numbers(kind: type[Initializer]) -> None:
    def small(dtype: Any, seed: int = 0) -> Any:
        return kind().draw(np.random.default_rng(seed), (6, 4), 6, 4, dtype)

    double, single = small(np.float64), small(np.float32)
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    np.testing.assert_array_equal(small(np.float64), double)
    assert kind is Zeros or not np.array_equal(small(np.float64, seed=1), double)
