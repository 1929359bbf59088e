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

from byhand import losses
from byhand.errors import ByhandError, DTypeError, InputError, ShapeError
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

Pair = tuple[Any, Any]
LOSSES = [
    value
    for value in vars(losses).values()
    if isinstance(value, type) and issubclass(value, Loss) and value is not Loss
]


def normal(*shape: int) -> Callable[[Generator], Pair]:
    return lambda rng: (rng.standard_normal(shape), rng.standard_normal(shape))


def named(function: Any) -> str:
    return str(function.__name__)


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


def cross_entropy(y: Any, t: Any) -> Any:
    """PyTorch's, with every step as an example."""
    t = t.reshape(-1, *t.shape[2:]) if y.ndim == 3 else t
    return F.cross_entropy(y.reshape(-1, y.shape[-1]), t, ignore_index=-1)


def count(y: Any) -> int:
    return len(y) if y.ndim != 3 else y.shape[0] * y.shape[1]


def probabilities(rng: Generator) -> Pair:
    return rng.dirichlet(np.full(4, 3.0), 6), rng.dirichlet(np.ones(4), 6)


def probabilities_one_hot(rng: Generator) -> Pair:
    return rng.dirichlet(np.full(4, 3.0), 6), one_hot(rng.integers(0, 4, 6), 4, np.float64)


def soft_answers(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((5, 3)), rng.random((5, 3))


def yes_or_no(rng: Generator) -> Pair:
    return 2 * rng.standard_normal((6, 1)), rng.integers(0, 2, (6, 1)).astype(np.float64)


# Outputs and targets that each loss takes. A new loss gets an entry here and in THEIRS.
EXAMPLES: dict[type[Loss], tuple[Callable[[Generator], Pair], ...]] = {
    QuadraticCost: (normal(5, 3), normal(1, 4), normal(6), normal(2, 3, 4)),
    SoftmaxCrossEntropy: (labels, distributions, labels_of_steps, distributions_of_steps),
    CrossEntropy: (probabilities, probabilities_one_hot),
    BinaryCrossEntropyWithLogits: (soft_answers, yes_or_no, normal(1, 2)),
}
THEIRS: dict[type[Loss], Callable[[Any, Any], Any]] = {
    QuadraticCost: lambda y, t: F.mse_loss(y, t, reduction="sum") / 2 / count(y),
    SoftmaxCrossEntropy: cross_entropy,
    CrossEntropy: lambda y, t: -(t * torch.log(y)).sum() / count(y),
    BinaryCrossEntropyWithLogits: lambda y, t: (
        F.binary_cross_entropy_with_logits(y, t, reduction="sum") / count(y)
    ),
}

every_loss = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)


def pairs(kind: type[Loss]) -> list[Pair]:
    assert kind in EXAMPLES, f"{kind.__name__} has no example: add one to tests/test_losses.py"
    return [build(np.random.default_rng(0)) for build in EXAMPLES[kind]]


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


# Targets that do not fit

BROADCAST = "broadcasting would compare every output with every target; "


@pytest.mark.parametrize(
    ("loss", "symbol"),
    [
        (QuadraticCost(), "a"),
        (BinaryCrossEntropyWithLogits(), "z"),
        (CrossEntropy(), "p"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("y", "t", "advice"),
    [
        ((5, 1), (5,), BROADCAST + "reshape t with t.reshape(5, 1)"),
        ((5,), (5, 1), BROADCAST + "reshape t with t.reshape(5,)"),
        ((5, 1), (1, 5), "give both the same shape"),
        ((1, 5), (5,), BROADCAST + "reshape t with t.reshape(1, 5)"),
        ((5, 2), (5,), "give both the same shape"),
        ((5, 2), (5, 1), "give both the same shape"),
        ((5, 2), (4, 2), "give both the same shape"),
        ((5, 2), (1, 2), "give both the same shape"),
        ((5,), (), "give both the same shape"),
    ],
)
def test_targets_are_never_broadcast(
    loss: Loss, symbol: str, y: tuple[int, ...], t: tuple[int, ...], advice: str
) -> None:
    with pytest.raises(ShapeError) as error:
        loss.forward(np.full(y, 0.5), np.full(t, 0.5))
    assert str(error.value) == (
        f"{loss}: t has shape {t}, {symbol} has shape {y} ({loss.equation}); {advice}"
    )


FUSED = "(L = −1/n Σ t ln softmax(z))"
LABELS_HAVE_SHAPE = (
    "expected labels[batch] with one class number per example; reshape them with labels.reshape(-1)"
)


@pytest.mark.parametrize(
    ("z", "t", "text"),
    [
        (
            np.ones((5, 1)),
            np.ones(5),
            f"SoftmaxCrossEntropy: t has shape (5,), z has shape (5, 1) {FUSED}; "
            f"{BROADCAST}reshape t with t.reshape(5, 1)",
        ),
        (
            np.ones((5, 3)),
            np.ones((5, 1)),
            f"SoftmaxCrossEntropy: t has shape (5, 1), z has shape (5, 3) {FUSED}; "
            "give both the same shape",
        ),
        (
            np.ones((5, 1)),
            np.zeros((5, 1), np.int64),
            f"labels have shape (5, 1), {LABELS_HAVE_SHAPE}",
        ),
        (
            np.ones((5, 3)),
            np.zeros((5, 1), np.int64),
            f"labels have shape (5, 1), {LABELS_HAVE_SHAPE}",
        ),
        (
            np.ones((5, 3)),
            np.zeros((), np.int64),
            f"labels have shape (), {LABELS_HAVE_SHAPE}",
        ),
        (
            np.ones(5),
            np.zeros(5, np.int64),
            "SoftmaxCrossEntropy: z has shape (5,), expected z[batch, classes] with at least one "
            f"example, or z[batch, time, classes] {FUSED}",
        ),
        (
            np.ones(5),
            np.zeros((5, 1)),
            "SoftmaxCrossEntropy: z has shape (5,), expected z[batch, classes] with at least one "
            f"example, or z[batch, time, classes] {FUSED}",
        ),
        (
            np.ones((5, 3)),
            np.zeros(4, np.int64),
            f"SoftmaxCrossEntropy: t has batch = 4, z has batch = 5 {FUSED}",
        ),
        (
            np.ones((2, 5, 3)),
            np.zeros((2, 4), np.int64),
            f"SoftmaxCrossEntropy: t has shape (2, 4), z has [batch, time] = (2, 5) {FUSED}",
        ),
        (
            np.ones((0, 3)),
            np.zeros(0, np.int64),
            "SoftmaxCrossEntropy: z has shape (0, 3), expected z[batch, classes] with at least "
            f"one example, or z[batch, time, classes] {FUSED}",
        ),
    ],
)
def test_targets_that_do_not_fit_the_fused_loss(z: Any, t: Any, text: str) -> None:
    with pytest.raises(ShapeError) as error:
        SoftmaxCrossEntropy().forward(z, t)
    assert str(error.value) == text


def test_a_sequence_of_nothing_but_padding() -> None:
    with pytest.raises(InputError) as error:
        SoftmaxCrossEntropy().forward(np.ones((2, 3, 4)), np.full((2, 3), -1))
    assert str(error.value) == (
        "SoftmaxCrossEntropy: every target is -1, which asks for nothing: the mean is over no "
        f"example {FUSED}"
    )


def test_what_stands_at_a_step_of_padding_changes_nothing() -> None:
    z, t = labels_of_steps(np.random.default_rng(0))
    padding = t == -1
    assert padding.sum() == 2
    other = np.where(padding[..., None], z + 5, z)
    (value, cache), (same, other_cache) = (SoftmaxCrossEntropy().forward(y, t) for y in (z, other))
    assert value == same
    dz, other_dz = (SoftmaxCrossEntropy().backward(c) for c in (cache, other_cache))
    np.testing.assert_array_equal(dz, other_dz)
    assert not dz[padding].any()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (3, "a label is 3, but there are 3 classes: labels run from 0 to 2"),
        (-1, "a label is -1, but there are 3 classes: labels run from 0 to 2"),
        (255, "a label is 255, but there are 3 classes: labels run from 0 to 2"),
    ],
)
def test_labels_out_of_range(wrong: int, text: str) -> None:
    t = np.array([0, wrong, 2])
    for call in (
        lambda: SoftmaxCrossEntropy().forward(np.ones((3, 3)), t),
        lambda: QuadraticCost().encode(t, 3, np.float64),
        lambda: one_hot(t, 3, np.float64),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == text


def test_one_output_answers_yes_or_no() -> None:
    encoded = BinaryCrossEntropyWithLogits().encode(np.array([0, 1, 1]), 1, np.float32)
    assert encoded.tolist() == [[0], [1], [1]]
    assert encoded.dtype == np.float32
    with pytest.raises(InputError) as error:
        BinaryCrossEntropyWithLogits().encode(np.array([0, 2]), 1, np.float64)
    assert str(error.value) == "a label is 2, but there are 2 classes: labels run from 0 to 1"


@pytest.mark.parametrize(
    ("loss", "symbol"),
    [(QuadraticCost(), "a"), (BinaryCrossEntropyWithLogits(), "z"), (CrossEntropy(), "p")],
    ids=str,
)
def test_targets_of_another_dtype_and_empty_batches(loss: Loss, symbol: str) -> None:
    for y, t in (("float64", "float32"), ("float32", "float64"), ("float64", "int64")):
        with pytest.raises(DTypeError) as error:
            loss.forward(np.full((5, 2), 0.5, y), np.ones((5, 2), t))
        assert str(error.value) == (
            f"{loss}: t is {t}, {symbol} is {y} ({loss.equation}); convert it with t.astype(np.{y})"
        )
    with pytest.raises(ShapeError) as shape_error:
        loss.forward(np.ones((0, 2)), np.ones((0, 2)))
    assert str(shape_error.value) == f"{loss}: the batch is empty, {symbol} has shape (0, 2)"


def test_distributions_of_another_dtype() -> None:
    with pytest.raises(DTypeError) as error:
        SoftmaxCrossEntropy().forward(np.ones((5, 2)), np.full((5, 2), 0.5, np.float32))
    assert str(error.value) == (
        f"SoftmaxCrossEntropy: t is float32, z is float64 {FUSED}; "
        "convert it with t.astype(np.float64)"
    )


@every_loss
def test_what_is_not_an_array_is_refused(kind: type[Loss]) -> None:
    loss = kind()
    y, t = pairs(kind)[0]
    for outputs, targets, symbol in ((y.tolist(), t, loss.output), (y, t.tolist(), "t")):
        with pytest.raises(ByhandError) as error:
            loss.forward(outputs, targets)
        assert str(error.value) == (
            f"{loss}: {symbol} is a list, expected a NumPy array ({loss.equation}); "
            f"convert it with np.asarray({symbol})"
        )


@every_loss
def test_outputs_that_are_not_floats_are_refused(kind: type[Loss]) -> None:
    loss = kind()
    y, t = pairs(kind)[0]
    with pytest.raises(DTypeError) as error:
        loss.forward(y.astype(np.int64), t)
    assert str(error.value) == (
        f"{loss}: {loss.output} is int64, expected float32 or float64 ({loss.equation}); "
        f"convert it with {loss.output}.astype(np.float64)"
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
