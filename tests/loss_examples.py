"""Outputs and targets that each loss takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from byhand import losses
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
    one_hot,
)

Pair = tuple[Any, Any]
LOSSES = [
    value
    for value in vars(losses).values()
    if isinstance(value, type) and issubclass(value, Loss) and value is not Loss
]


def normal(*shape: int) -> Callable[[Generator], Pair]:
    return lambda rng: (rng.standard_normal(shape), rng.standard_normal(shape))


def labels(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((7, 4)), rng.integers(0, 4, 7)


def distributions(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((3, 5)), rng.dirichlet(np.ones(5), 3)


def labels_of_steps(rng: Generator) -> Pair:
    t = rng.integers(0, 4, (2, 5))
    t[1, 3:] = -1
    return 2 * rng.standard_normal((2, 5, 4)), t


def distributions_of_steps(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((2, 3, 5)), rng.dirichlet(np.ones(5), (2, 3))


def probabilities(rng: Generator) -> Pair:
    return rng.dirichlet(np.full(4, 3.0), 6), rng.dirichlet(np.ones(4), 6)


def probabilities_one_hot(rng: Generator) -> Pair:
    return rng.dirichlet(np.full(4, 3.0), 6), one_hot(rng.integers(0, 4, 6), 4, np.float64)


def soft_answers(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((5, 3)), rng.random((5, 3))


def yes_or_no(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((6, 1)), rng.integers(0, 2, (6, 1)).astype(np.float64)


# Outputs and targets that each loss takes. A new loss gets an entry here, and in THEIRS of
# test_losses.py.
EXAMPLES: dict[type[Loss], tuple[Callable[[Generator], Pair], ...]] = {
    QuadraticCost: (normal(5, 3), normal(1, 4), normal(6), normal(2, 3, 4)),
    SoftmaxCrossEntropy: (labels, distributions, labels_of_steps, distributions_of_steps),
    CrossEntropy: (probabilities, probabilities_one_hot),
    BinaryCrossEntropyWithLogits: (soft_answers, yes_or_no, normal(1, 2)),
}

LABELS_HAVE_SHAPE = (
    "expected labels[batch] with one class number per example; reshape them with labels.reshape(-1)"
)
every_loss = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)


def pairs(kind: type[Loss]) -> list[Pair]:
    assert kind in EXAMPLES, f"{kind.__name__} has no example: add one to tests/loss_examples.py"
    return [build(np.random.default_rng(0)) for build in EXAMPLES[kind]]
