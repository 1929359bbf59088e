"""Targets that do not fit the outputs of a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import ByhandError, DTypeError, InputError, ShapeError
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
    one_hot,
)

from .loss_examples import LABELS_HAVE_SHAPE, every_loss, labels_of_steps, pairs

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
