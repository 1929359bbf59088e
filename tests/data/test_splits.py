"""Splits fit their targets, and are cut by a seed."""

from __future__ import annotations

import numpy as np
import pytest

from byhand.data import Dataset, Split
from byhand.data.splits import SHARES, divide
from byhand.errors import InputError, ShapeError

INPUTS = np.arange(30, dtype=np.float32).reshape(10, 3)
LABELS = np.arange(10, dtype=np.int64)


def test_first_and_length() -> None:
    split = Split(INPUTS, LABELS)
    assert len(split) == 10
    assert len(split.first(4)) == 4
    assert len(split.first(99)) == 10
    np.testing.assert_array_equal(split.first(4).inputs, INPUTS[:4])
    assert Dataset("rows", split, split, split, ()).input_shape == (3,)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            LABELS[:, np.newaxis],
            "targets have shape (10, 1), class labels need one axis (10,): "
            "pass targets[:, 0] or targets.argmax(axis=1), whichever is meant",
        ),
        (
            LABELS.astype(np.float32),
            "targets have shape (10,), numbers to predict need two axes (10, out): "
            "pass targets.reshape(-1, 1) for one number per example",
        ),
        (LABELS[:9], "10 inputs against 9 targets: expected one target per example"),
        (
            np.zeros((9, 1), dtype=np.float32),
            "10 inputs against 9 targets: expected one target per example",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Split(INPUTS, targets)
    assert str(caught.value) == message


IDS = np.arange(30).reshape(10, 3)


@pytest.mark.parametrize("targets", [LABELS, IDS])
@pytest.mark.parametrize("inputs", [IDS, np.zeros((10, 3, 2), np.float32)], ids=["ids", "floats"])
def test_a_sequence_has_one_label_or_one_for_each_step(
    inputs: np.ndarray, targets: np.ndarray
) -> None:
    split = Split(inputs, targets)
    assert split.first(4).targets.shape == (4, *targets.shape[1:])


def test_labels_for_other_steps_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        Split(IDS, IDS[:, 1:])
    assert str(caught.value) == (
        "targets have shape (10, 2), labels for sequences have (10,), or (10, 3) with one for each "
        "step"
    )


def test_divide_keeps_every_example_once_with_its_target() -> None:
    parts = divide(Split(INPUTS, LABELS), SHARES, seed=3)
    assert [len(part) for part in parts] == [8, 1, 1]
    assert sorted(np.concatenate([part.targets for part in parts])) == list(range(10))
    for part in parts:
        np.testing.assert_array_equal(part.inputs, INPUTS[part.targets])


def test_divide_depends_on_the_seed_alone() -> None:
    data = Split(INPUTS, LABELS)
    same = [divide(data, SHARES, seed=3)[0].targets.tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert divide(data, SHARES, seed=4)[0].targets.tolist() != same[0]
    assert same[0] != list(range(8))


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        divide(Split(INPUTS, LABELS), (0.8, 0.1, 0.2), seed=0)
    assert str(caught.value) == (
        "the shares of the splits must be positive and sum to 1, found 0.8, 0.1, 0.2"
    )
    with pytest.raises(InputError) as caught:
        divide(Split(INPUTS, LABELS).first(4), SHARES, seed=0)
    assert str(caught.value) == (
        "4 examples are too few for shares of 0.8, 0.1, 0.1: one split would be empty; "
        "add examples or change the shares"
    )
