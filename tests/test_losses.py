from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch.nn import functional as F

from byhand.errors import InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Softmax
from byhand.layers.softmax import jacobian, softmax
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
    one_hot,
)

from .layers.peer import assert_same, autograd
from .loss_examples import (
    LABELS_HAVE_SHAPE,
    Pair,
    distributions,
    distributions_of_steps,
    every_loss,
    labels,
    labels_of_steps,
    pairs,
)


def named(function: Any) -> str:
    return str(function.__name__)


def cross_entropy(y: Any, t: Any) -> Any:
    """PyTorch's, with every step as an example."""
    t = t.reshape(-1, *t.shape[2:]) if y.ndim == 3 else t
    return F.cross_entropy(y.reshape(-1, y.shape[-1]), t, ignore_index=-1)


def count(y: Any) -> int:
    return len(y) if y.ndim != 3 else y.shape[0] * y.shape[1]


THEIRS: dict[type[Loss], Callable[[Any, Any], Any]] = {
    QuadraticCost: lambda y, t: F.mse_loss(y, t, reduction="sum") / 2 / count(y),
    SoftmaxCrossEntropy: cross_entropy,
    CrossEntropy: lambda y, t: -(t * torch.log(y)).sum() / count(y),
    BinaryCrossEntropyWithLogits: lambda y, t: (
        F.binary_cross_entropy_with_logits(y, t, reduction="sum") / count(y)
    ),
}


@every_loss
def test_gradients_agree_with_central_differences(kind: type[Loss]) -> None:
    loss = kind()
    for y, t in pairs(kind):
        _, cache = loss.forward(y, t)
        dy = loss.backward(cache)
        assert dy.shape == y.shape
        numerical = numerical_gradient(lambda y=y, t=t: loss.forward(y, t)[0], y)
        assert relative_error(dy, numerical) < 1e-7


@every_loss
def test_values_and_gradients_are_pytorchs(kind: type[Loss]) -> None:
    for y, t in pairs(kind):
        value, cache = kind().forward(y, t)
        theirs, (their_dy,) = autograd(lambda y, t=t: THEIRS[kind](y, torch.tensor(t)), 1.0, y)
        assert_same(value, float(theirs))
        assert_same(kind().backward(cache), their_dy)


@every_loss
def test_forward_and_backward_are_pure(kind: type[Loss]) -> None:
    loss = kind()
    for y, t in pairs(kind):
        before = copy.deepcopy((y, t))
        y.flags.writeable = t.flags.writeable = False
        value, cache = loss.forward(y, t)
        dy = loss.backward(cache).copy()
        again, _ = loss.forward(y, t)
        loss.forward(y + 1, t)
        assert value == again
        np.testing.assert_array_equal(loss.backward(cache), dy)
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(t, before[1])


@every_loss
def test_float32_stays_float32_and_says_the_same(kind: type[Loss]) -> None:
    for y, t in pairs(kind):
        exact, _ = kind().forward(y, t)
        single = t.astype(np.float32) if t.dtype == np.float64 else t
        value, cache = kind().forward(y.astype(np.float32), single)
        assert type(value) is float
        assert value == pytest.approx(exact, rel=1e-5)
        assert kind().backward(cache).dtype == np.float32


@every_loss
def test_the_mean_over_the_batch_is_taken_once(kind: type[Loss]) -> None:
    """A batch repeated three times has the same loss, and each example a third of the gradient."""
    for y, t in pairs(kind):
        value, cache = kind().forward(y, t)
        repeated, repeated_cache = kind().forward(np.concatenate([y] * 3), np.concatenate([t] * 3))
        assert repeated == pytest.approx(value, rel=1e-13)
        expected = np.concatenate([kind().backward(cache) / 3] * 3)
        np.testing.assert_allclose(kind().backward(repeated_cache), expected, rtol=1e-13)


def test_values_done_by_hand() -> None:
    value, cache = QuadraticCost().forward(np.array([[1.0, 2.0], [0.0, 0.0]]), np.zeros((2, 2)))
    assert value == 1.25
    assert QuadraticCost().backward(cache).tolist() == [[0.5, 1], [0, 0]]

    z = np.log(np.array([[1.0, 2.0, 5.0]]))
    value, cache = SoftmaxCrossEntropy().forward(z, np.array([1]))
    assert value == pytest.approx(math.log(4), rel=1e-15)
    np.testing.assert_allclose(
        SoftmaxCrossEntropy().backward(cache), [[1 / 8, -6 / 8, 5 / 8]], rtol=1e-14
    )

    loss = BinaryCrossEntropyWithLogits()
    value, cache = loss.forward(np.array([[math.log(3), -math.log(3)]]), np.array([[1.0, 1.0]]))
    assert value == pytest.approx(-math.log(0.75) - math.log(0.25), rel=1e-15)
    np.testing.assert_allclose(loss.backward(cache), [[-0.25, -0.75]], rtol=1e-14)


# Extreme scores


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fused_losses_are_right_for_extreme_scores(dtype: Any) -> None:
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]], dtype)
    for t in (np.array([1, 1]), one_hot(np.array([1, 1]), 3, dtype)):
        value, cache = SoftmaxCrossEntropy().forward(z, t)
        assert value == 1e4
        assert SoftmaxCrossEntropy().backward(cache).tolist() == [[0.5, -0.5, 0], [0, 0, 0]]

    z, t = np.array([[1e4], [-1e4], [1e4], [-1e4]], dtype), np.array([[0], [0], [1], [1]], dtype)
    value, cache = BinaryCrossEntropyWithLogits().forward(z, t)
    assert value == 5e3
    assert BinaryCrossEntropyWithLogits().backward(cache).tolist() == [[0.25], [0], [0], [-0.25]]


def test_the_unfused_loss_is_not() -> None:
    """What the docs claim: the loss is inf, and the gradient behind softmax is not a number."""
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]])
    p, softmax_cache = Softmax().forward(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, cache = CrossEntropy().forward(p, one_hot(np.array([1, 1]), 3, np.float64))
        dp = CrossEntropy().backward(cache)
        dz, _ = Softmax().backward(dp, softmax_cache)
    assert value == math.inf
    assert dp[0].tolist() == [0, -math.inf, 0]
    assert np.isnan(dz[0]).any()
    assert np.isfinite(dz[1]).all()


@pytest.mark.parametrize("target", ["one-hot", "distribution"])
def test_fused_and_unfused_agree_for_ordinary_scores(target: str) -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.standard_normal((6, 4))
    t = rng.dirichlet(np.ones(4), 6)
    if target == "one-hot":
        t = one_hot(t.argmax(axis=1), 4, np.float64)
    fused, fused_cache = SoftmaxCrossEntropy().forward(z, t)
    p, softmax_cache = Softmax().forward(z)
    unfused, cache = CrossEntropy().forward(p, t)
    dz, _ = Softmax().backward(CrossEntropy().backward(cache), softmax_cache)
    assert unfused == pytest.approx(fused, rel=1e-13)
    np.testing.assert_allclose(dz, SoftmaxCrossEntropy().backward(fused_cache), atol=1e-15)
    full = np.einsum("nk,nkj->nj", CrossEntropy().backward(cache), jacobian(p))
    np.testing.assert_allclose(dz, full, atol=1e-14)


def test_a_class_the_target_does_not_name_costs_nothing() -> None:
    """0 ln 0 is 0, without a warning."""
    p, t = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])
    value, cache = CrossEntropy().forward(p, t)
    assert value == 0
    assert CrossEntropy().backward(cache).tolist() == [[-1, 0]]


def test_labels_and_one_hot_rows_are_the_same_target() -> None:
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((7, 4)), rng.integers(0, 4, 7)
    by_label, label_cache = SoftmaxCrossEntropy().forward(z, t)
    by_row, row_cache = SoftmaxCrossEntropy().forward(z, one_hot(t, 4, np.float64))
    assert by_label == pytest.approx(by_row, rel=1e-14)
    np.testing.assert_array_equal(
        SoftmaxCrossEntropy().backward(label_cache), SoftmaxCrossEntropy().backward(row_cache)
    )


# Label smoothing


@pytest.mark.parametrize(
    "pair", [labels, distributions, labels_of_steps, distributions_of_steps], ids=named
)
def test_smoothed_targets_are_pytorchs(pair: Callable[[Generator], Pair]) -> None:
    loss = SoftmaxCrossEntropy(smoothing=0.1)
    z, t = pair(np.random.default_rng(0))

    def theirs(y: Any) -> Any:
        rows = torch.tensor(t.reshape(-1, *t.shape[2:]) if z.ndim == 3 else t)
        return F.cross_entropy(
            y.reshape(-1, z.shape[-1]), rows, ignore_index=-1, label_smoothing=0.1
        )

    value, cache = loss.forward(z, t)
    dz = loss.backward(cache)
    expected, (expected_dz,) = autograd(theirs, 1.0, z)
    assert_same(value, float(expected))
    assert_same(dz, expected_dz)
    numerical = numerical_gradient(lambda: loss.forward(z, t)[0], z)
    assert relative_error(dz, numerical) < 1e-7
    single, cache = loss.forward(
        z.astype(np.float32), t.astype(np.float32) if t.dtype == np.float64 else t
    )
    assert single == pytest.approx(value, rel=1e-5)
    assert loss.backward(cache).dtype == np.float32


def test_smoothed_labels_are_smoothed_rows() -> None:
    """And the smallest loss is where the right score is ln((1 − ε) K/ε + 1) above the others."""
    loss, right = SoftmaxCrossEntropy(smoothing=0.2), math.log(0.8 * 4 / 0.2 + 1)
    z = np.array([[0, right, 0, 0]])
    value, cache = loss.forward(z, np.array([1]))
    np.testing.assert_allclose(loss.backward(cache), np.zeros((1, 4)), atol=1e-15)
    rows = np.array([[0.05, 0.85, 0.05, 0.05]])
    assert SoftmaxCrossEntropy().forward(z, rows)[0] == pytest.approx(value, rel=1e-14)
    assert loss.forward(z, np.array([[0.0, 1, 0, 0]]))[0] == pytest.approx(value, rel=1e-14)
    assert loss.settings == {"smoothing": 0.2}


def test_a_smoothing_that_is_no_share() -> None:
    for smoothing in (-0.1, 1.0, math.nan):
        with pytest.raises(InputError) as error:
            SoftmaxCrossEntropy(smoothing=smoothing)
        assert str(error.value) == (
            "SoftmaxCrossEntropy: smoothing is a share of each target, 0 <= smoothing < 1, "
            f"found {smoothing}"
        )


# Encoding and reading out


def test_one_hot_rows() -> None:
    t = one_hot(np.array([2, 0], np.uint8), 3, np.float32)
    assert t.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert t.dtype == np.float32
    with pytest.raises(ShapeError) as error:
        one_hot(np.array([[2], [0]]), 3, np.float32)
    assert str(error.value) == f"labels have shape (2, 1), {LABELS_HAVE_SHAPE}"


@every_loss
def test_encoded_labels_are_what_forward_takes(kind: type[Loss]) -> None:
    t = np.array([2, 0, 1], np.int64)
    y = softmax(np.random.default_rng(0).standard_normal((3, 3))).astype(np.float32)
    encoded = kind().encode(t, 3, np.float32)
    value, _ = kind().forward(y, encoded)
    assert math.isfinite(value)
    values = kind().encode(y.astype(np.float64), 3, np.float32)
    assert (values.shape, values.dtype) == ((3, 3), np.float32)


def test_probabilities() -> None:
    z = np.log(np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(SoftmaxCrossEntropy().probabilities(z), [[0.25, 0.75]])
    np.testing.assert_allclose(BinaryCrossEntropyWithLogits().probabilities(z), [[0.5, 0.75]])
    assert QuadraticCost().probabilities(z) is z
    assert CrossEntropy().probabilities(z) is z
