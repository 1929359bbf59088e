from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from byhand.training import Run
from byhand.training.recipe import DataTable
from byhand.views import Subject, curves


def test_the_curves_are_the_rows_of_the_metrics(run: Run, subject: Subject) -> None:
    view = curves.compute(subject)
    epochs, steps = run.rows("epoch"), run.rows("step")
    assert view.epochs.tolist() == [1, 2]
    assert view.loss["training"].tolist() == [row["train_loss"] for row in epochs]
    assert view.loss["validation"].tolist() == [row["validation_loss"] for row in epochs]
    assert view.loss["test"].tolist() == [row["test_loss"] for row in epochs]
    assert view.accuracy["test"].tolist() == [row["test_accuracy"] for row in epochs]
    assert list(view.accuracy) == ["validation", "test"]
    assert view.step_loss.tolist() == [row["loss"] for row in steps]
    assert view.step_accuracy.tolist() == [row["accuracy"] for row in steps]


def test_steps_lie_where_they_are_in_their_epochs(subject: Subject) -> None:
    # 480 examples, 4 at a time: 120 steps an epoch, every 50th is observed.
    np.testing.assert_allclose(curves.compute(subject).steps, np.array([50, 100, 150, 200]) / 120)


@pytest.mark.parametrize(("scores", "best"), [((0.5, 0.9), 2), ((0.9, 0.9), 1), ((0.9, 0.5), 1)])
def test_the_best_epoch_is_the_first_with_the_best_score(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, scores: tuple[float, float], best: int
) -> None:
    rows = [
        {**row, "validation_accuracy": score}
        for row, score in zip(subject.epochs(), scores, strict=True)
    ]
    monkeypatch.setattr(subject, "epochs", lambda: rows)
    assert curves.compute(subject).best_epoch == best


def test_regression_has_its_best_epoch_by_loss_and_no_accuracy(values: Run) -> None:
    view = curves.compute(Subject(values))
    losses = view.loss["validation"].tolist()
    assert view.best_epoch == 1 + losses.index(min(losses))
    assert (view.accuracy, view.step_accuracy.tolist()) == ({}, [])
    assert view.unit == "quadratic cost"


def test_an_epoch_without_a_finite_loss_is_not_the_best(values: Run) -> None:
    subject = Subject(values)
    subject.epochs()[0]["validation_loss"] = float("nan")
    assert curves.compute(subject).best_epoch == 2


def test_the_figure_says_what_it_shows(subject: Subject) -> None:
    view = replace(curves.compute(subject), best_epoch=2)
    page = curves.draw(view)
    loss, accuracy = page.axes
    assert [text.get_text() for text in page.texts] == [
        "Learning curves",
        "Bars, dots and frames\n"
        "run shapes, 2 of 2 epochs; dotted: epoch 2, the best on the validation set",
    ]
    assert (loss.get_ylabel(), loss.get_yscale()) == ("cross-entropy (nats)", "log")
    assert (accuracy.get_ylabel(), accuracy.get_xlabel()) == ("accuracy (%)", "epoch")
    numbers = ", ".join(f"{split} {values[1]:.4g}" for split, values in view.loss.items())
    assert loss.get_title(loc="left") == f"Loss at epoch 2: {numbers}"
    for axes in page.axes:
        assert axes.get_lines()[-1].get_xdata() == [2, 2]
    legend = [text.get_text() for text in loss.get_legend().get_texts()]
    assert legend == [
        "training, mean of a few steps",
        "training, mean of the epoch",
        "validation",
        "test",
    ]


def test_the_drawn_lines_are_the_curves(subject: Subject) -> None:
    view = curves.compute(subject)
    loss, accuracy = curves.draw(view).axes
    few, training, *_ = loss.get_lines()
    np.testing.assert_array_equal(training.get_ydata(), view.loss["training"])
    # Each mean over 50 steps stands in the middle of its steps.
    np.testing.assert_allclose(few.get_xdata(), np.array([25, 75, 125, 175]) / 120)
    np.testing.assert_allclose(accuracy.get_lines()[2].get_ydata(), 100 * view.accuracy["test"])


def test_the_accuracy_axis_is_about_the_epochs(subject: Subject) -> None:
    long = replace(
        curves.compute(subject),
        epochs=np.array([1, 2, 3]),
        loss={"test": np.array([0.3, 0.2, 0.1])},
        accuracy={"test": np.array([0.90, 0.95, 0.98])},
        step_accuracy=np.array([0.1, 0.9, 0.95, 0.98]),
        best_epoch=3,
    )
    assert curves.draw(long).axes[1].get_ylim()[0] == pytest.approx(90 - 4)


def test_regression_is_drawn_without_an_accuracy(values: Run) -> None:
    (loss,) = curves.draw(curves.compute(Subject(values))).axes
    assert (loss.get_ylabel(), loss.get_xlabel()) == ("quadratic cost", "epoch")


@pytest.mark.parametrize(
    ("tokens", "unit"),
    [("characters", "nats per character"), ("bpe", "nats per token")],
)
def test_a_text_has_its_unit(values: Run, tokens: str, unit: str) -> None:
    subject = Subject(values)
    data = DataTable(text="a.txt", tokens=tokens, vocabulary=300 if tokens == "bpe" else None)
    subject.recipe = subject.recipe.model_copy(update={"data": data})
    view = curves.compute(subject)
    assert view.unit == f"cross-entropy ({unit})"
    page = curves.draw(view)
    page.draw_without_rendering()
    [loss] = page.axes
    second = loss.child_axes
    # Byte pairs are not characters, so there is no second axis for them.
    assert [axis.get_ylabel() for axis in second] == ["bits per character"] * (tokens != "bpe")
    if second:
        np.testing.assert_allclose(second[0].get_ylim(), np.array(loss.get_ylim()) / np.log(2))
