from __future__ import annotations

from dataclasses import replace

import numpy as np

from byhand.training import Run
from byhand.views import Subject, gradients


def test_the_series_are_the_rows_of_the_metrics(run: Run, subject: Subject) -> None:
    view = gradients.compute(subject)
    rows = run.rows("step")
    assert view.steps.tolist() == [50, 100, 150, 200]
    assert list(view.norms) == list(view.ratios) == ["hidden1", "output"]
    for layer in view.norms:
        assert view.norms[layer].tolist() == [row["gradient_norm"][layer] for row in rows]
        assert view.ratios[layer].tolist() == [row["update_ratio"][layer] for row in rows]


def test_the_figure_says_what_it_shows(subject: Subject) -> None:
    page = gradients.draw(gradients.compute(subject))
    upper, lower = page.axes
    assert page.texts[0].get_text() == "Gradients and updates of each layer"
    assert page.texts[1].get_text().splitlines()[1].startswith("run shapes, 2 of 2 epochs; thin: ")
    assert upper.get_title(loc="left") == "Gradient norm ‖∂L/∂(W, b)‖ of one batch"
    assert lower.get_title(loc="left") == "Update-to-weight ratio ‖Δw‖ / ‖w‖ of one step"
    assert (upper.get_yscale(), lower.get_yscale()) == ("log", "log")
    assert lower.get_xlabel() == "training step"
    assert [text.get_text() for text in lower.get_legend().get_texts()] == [
        "hidden1",
        "output",
        "1e-3, a usual size",
    ]
    assert lower.get_lines()[-1].get_ydata() == [1e-3, 1e-3]


def test_every_measured_value_is_drawn(subject: Subject) -> None:
    view = gradients.compute(subject)
    upper, _ = gradients.draw(view).axes
    np.testing.assert_array_equal(upper.get_lines()[0].get_ydata(), view.norms["hidden1"])
    np.testing.assert_array_equal(upper.get_lines()[2].get_ydata(), view.norms["output"])


def test_a_short_line_is_its_own_median() -> None:
    line = np.random.default_rng(0).random(39)
    np.testing.assert_array_equal(gradients.smooth(line), line)


def test_the_running_median_ignores_an_odd_batch() -> None:
    line = np.ones(100)
    line[50] = 1e-6
    np.testing.assert_array_equal(gradients.smooth(line), np.ones(100))
    line[:] = np.arange(100)
    np.testing.assert_array_equal(gradients.smooth(line)[2:-2], line[2:-2])


def test_more_layers_than_colours(subject: Subject) -> None:
    view = gradients.compute(subject)
    many = {f"hidden{k}": view.ratios["output"] for k in range(9)}
    page = gradients.draw(replace(view, norms=many, ratios=many))
    assert len(page.axes[1].get_legend().get_texts()) == 10
