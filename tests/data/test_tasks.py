"""The copy task and the adding task ask for what was shown, and chance is what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from byhand.data import Split, adding_task, copy_task
from byhand.errors import InputError


def test_a_copy_is_asked_for_after_the_gap() -> None:
    split = copy_task(5, gap=4, symbols=3, length=2)
    assert split.inputs.shape == split.targets.shape == (5, 8)
    said = split.inputs[:, :2]
    blank, go = 3, 4
    np.testing.assert_array_equal(split.inputs[:, 2:5], blank)
    np.testing.assert_array_equal(split.inputs[:, 5], go)
    np.testing.assert_array_equal(split.inputs[:, 6:], blank)
    np.testing.assert_array_equal(split.targets[:, :6], -1)
    np.testing.assert_array_equal(split.targets[:, 6:], said)


def test_the_shortest_gap_has_no_blank_before_go() -> None:
    split = copy_task(1, gap=1, symbols=2, length=1)
    assert split.inputs.tolist()[0][1:] == [3, 2]


def test_all_symbols_are_said_equally_often() -> None:
    said = copy_task(2000, gap=1).inputs[:, :10]
    np.testing.assert_allclose(np.bincount(said.ravel()) / said.size, 1 / 8, atol=0.01)


@pytest.mark.parametrize("steps", [2, 7, 20])
def test_the_sum_is_that_of_one_marked_number_in_each_half(steps: int) -> None:
    split = adding_task(300, steps)
    assert split.inputs.shape == (300, steps, 2)
    assert split.inputs.dtype == split.targets.dtype == np.float32
    numbers, marks = split.inputs[..., 0], split.inputs[..., 1]
    np.testing.assert_array_equal(marks[:, : steps // 2].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, steps // 2 :].sum(axis=1), 1)
    np.testing.assert_allclose(split.targets[:, 0], (numbers * marks).sum(axis=1), rtol=1e-6)
    assert np.all(marks.sum(axis=0) > 0)  # every step is marked in some example
    assert 0 <= numbers.min() < 0.02
    assert 0.98 < numbers.max() < 1


def test_who_always_says_one_is_wrong_by_a_sixth() -> None:
    targets = adding_task(20_000, 4).targets
    assert np.mean((targets - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


@pytest.mark.parametrize("task", [copy_task, adding_task])
def test_examples_follow_from_the_seed(task: Callable[..., Split]) -> None:
    first, again, other = task(9, 6, seed=1), task(9, 6, seed=1), task(9, 6, seed=2)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert not np.array_equal(first.inputs, other.inputs)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: copy_task(0, 5), "examples is at least 1, found 0"),
        (lambda: copy_task(5, 0), "gap is at least 1, found 0"),
        (lambda: copy_task(5, 5, symbols=1), "symbols is at least 2, found 1"),
        (lambda: copy_task(5, 5, length=0), "length is at least 1, found 0"),
        (lambda: adding_task(0, 5), "examples is at least 1, found 0"),
        (lambda: adding_task(5, 1), "steps is at least 2, found 1"),
    ],
)
def test_sizes_that_make_no_task_are_refused(ask: Callable[[], Split], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value) == message
