from __future__ import annotations

import io
from collections import Counter

import numpy as np

from byhand.training import Run
from byhand.views import Subject, confusion
from byhand.views.confusion import Confusion


def test_each_cell_counts_its_answers(subject: Subject) -> None:
    view = confusion.compute(subject)
    answers = subject.test_outputs.argmax(axis=1).tolist()
    pairs = Counter(zip(subject.dataset.test.targets.tolist(), answers, strict=True))
    assert view.classes == ("bar", "dot", "frame")
    assert {cell: int(n) for cell, n in np.ndenumerate(view.counts) if n} == dict(pairs)


def test_the_sums_are_those_of_the_test_set(run: Run, subject: Subject) -> None:
    counts = confusion.compute(subject).counts
    classes = np.bincount(subject.dataset.test.targets, minlength=3)
    np.testing.assert_array_equal(counts.sum(axis=1), classes)
    accuracies = [row["test_accuracy"] for row in run.rows("epoch")]
    assert counts.trace() / counts.sum() in accuracies


def test_a_single_output_makes_two_classes(numbers: Run) -> None:
    counts = confusion.compute(Subject(numbers)).counts
    assert counts.shape == (2, 2)
    assert counts.sum() == 60


def test_errors_are_coloured_and_the_diagonal_is_not() -> None:
    view = Confusion("about", ("a", "b"), np.array([[90, 3], [7, 100]]))
    page = confusion.draw(view)
    axes = page.axes[0]
    assert page.texts[0].get_text() == "Confusion on the test set: 10 of 200 wrong (5.00 %)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answered", "true class")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in axes.texts] == ["90", "3", "7", "100"]
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array().mask, np.eye(2, dtype=bool))
    assert image.get_clim() == (0, 7)
    assert page.axes[1].get_ylabel() == "examples answered wrongly"


def test_many_classes_with_long_names_and_nothing_wrong() -> None:
    classes = tuple(f"the $ class of number {k}" for k in range(30))
    page = confusion.draw(Confusion("about", classes, 2 * np.eye(30, dtype=np.int64)))
    axes = page.axes[0]
    assert page.texts[0].get_text() == "Confusion on the test set: 0 of 60 wrong (0.00 %)"
    assert not axes.texts
    assert axes.get_xticklabels()[29].get_text() == r"the \$ c…ber 29"
    page.savefig(io.BytesIO())
