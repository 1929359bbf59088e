from __future__ import annotations

import numpy as np
import pytest

from byhand import data
from byhand.engines import ENGINES
from byhand.training import Run
from byhand.views import DoesNotApply, Subject


def test_the_headings_name_recipe_run_and_epoch(subject: Subject) -> None:
    assert subject.about == "Bars, dots and frames\nrun shapes, 2 of 2 epochs"
    epochs = subject.epochs()
    best = max(epochs, key=lambda row: row["validation_accuracy"])["epoch"]
    what = f"run shapes, epoch {best}, the best on the validation set"
    assert subject.about_best == f"Bars, dots and frames\n{what}"


def test_the_outputs_are_those_of_the_best_epoch(subject: Subject, run: Run) -> None:
    best = run.parameters("best")
    x = subject.dataset.test.inputs.reshape(60, 25).astype(np.float64)
    hidden = 1 / (1 + np.exp(-(x @ best["hidden1.W"] + best["hidden1.b"])))
    e = np.exp(hidden @ best["output.W"] + best["output.b"])
    np.testing.assert_allclose(subject.test_outputs, e / e.sum(1, keepdims=True), atol=1e-5)


def test_a_single_output_is_the_probability_of_the_second_class(numbers: Run) -> None:
    subject = Subject(numbers)
    second = subject.program.predict(subject.dataset.test.inputs)[:, 0]
    np.testing.assert_array_equal(subject.test_outputs, np.stack([1 - second, second], axis=1))


def test_outputs_under_the_quadratic_cost_are_not_called_probabilities(
    values: Run, subject: Subject
) -> None:
    assert (Subject(values).symbol, subject.symbol) == ("a", "p")


def test_nothing_is_loaded_for_a_run_without_an_epoch(
    untrained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "table", None)
    with pytest.raises(DoesNotApply, match="a finished epoch is needed"):
        _ = Subject(untrained).dataset


def test_any_engine_gives_the_same_outputs(run: Run, subject: Subject) -> None:
    others = [Subject(run, engine=engine) for engine in ENGINES]
    assert len({type(other.program) for other in others}) == len(ENGINES)
    for other in others:
        np.testing.assert_allclose(other.test_outputs, subject.test_outputs, rtol=1e-5)
