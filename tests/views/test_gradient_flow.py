from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from byhand.training import Run
from byhand.views import Subject, gradient_flow


def test_the_series_are_the_rows_of_the_metrics(run: Run, subject: Subject) -> None:
    view = gradient_flow.compute(subject)
    rows = run.rows("step")
    assert view.steps.tolist() == [50, 100, 150, 200]
    assert list(view.norms) == list(view.ratios) == ["hidden1", "output"]
    for layer in view.norms:
        assert view.norms[layer].tolist() == [row["gradient_norm"][layer] for row in rows]
        assert view.ratios[layer].tolist() == [row["update_ratio"][layer] for row in rows]
    assert list(view.idle) == ["sigmoid1"]
    assert view.idle["sigmoid1"].tolist() == [row["saturated"]["sigmoid1"] for row in rows]


def test_dead_units_are_idle_as_well(cnn_run: Run, cnn: Subject) -> None:
    view = gradient_flow.compute(cnn)
    first = next(iter(view.idle))
    assert view.idle[first].tolist() == [row["dead"][first] for row in cnn_run.rows("step")]


def test_the_figure_says_what_it_shows(subject: Subject) -> None:
    page = gradient_flow.draw(gradient_flow.compute(subject))
    norms, ratios, idle, *bars = page.axes
    assert page.texts[0].get_text() == "What reaches each layer"
    assert page.texts[1].get_text().splitlines()[1] == (
        "run shapes, 2 of 2 epochs; the input is on top"
    )
    assert [axes.get_title(loc="left") for axes in (norms, ratios, idle)] == [
        "Gradient norm ‖∂L/∂(W, b)‖ of one batch, before clipping",
        "Update-to-weight ratio ‖Δw‖ / ‖w‖ of one step; white is a usual 1e-3",
        "Units that pass on hardly any gradient: dead ReLUs, saturated outputs",
    ]
    assert [axes.get_ylabel() for axes in bars] == ["log10 norm", "log10 ratio", "share, %"]
    assert idle.get_xlabel() == "training step"
    assert [text.get_text() for text in norms.get_yticklabels()] == ["hidden1", "output"]


def test_a_row_is_a_layer_and_a_column_is_a_step(subject: Subject) -> None:
    view = gradient_flow.compute(subject)
    norms, ratios, idle, *_ = gradient_flow.draw(view).axes
    shown = norms.get_images()[0]
    np.testing.assert_allclose(shown.get_array(), np.log10([*view.norms.values()]))
    assert shown.get_extent() == [25, 225, 1.5, -0.5]  # the first layer on top
    np.testing.assert_allclose(
        ratios.get_images()[0].get_array(), np.log10([*view.ratios.values()])
    )
    np.testing.assert_allclose(idle.get_images()[0].get_array(), 100 * view.idle["sigmoid1"][None])


def test_a_usual_ratio_is_white(subject: Subject) -> None:
    _, ratios, *_ = gradient_flow.draw(gradient_flow.compute(subject)).axes
    low, high = ratios.get_images()[0].get_clim()
    assert (low + high) / 2 == pytest.approx(gradient_flow.USUAL)
    assert high - low >= 2


def test_a_gradient_of_zero_has_no_logarithm() -> None:
    logs = gradient_flow.logarithms({"a": np.array([0.0, 0.01])})
    np.testing.assert_array_equal(logs["a"], [np.nan, -2])


def test_one_look_at_a_network_without_activations_that_does_not_move(subject: Subject) -> None:
    view = gradient_flow.compute(subject)
    still = {"output": np.zeros(1)}
    page = gradient_flow.draw(
        replace(view, steps=view.steps[:1], norms=still, ratios=still, idle={})
    )
    norms, ratios, *bars = page.axes
    assert len(bars) == 2
    assert ratios.get_images()[0].get_clim() == (-4, -2)
    assert np.ma.getmaskarray(norms.get_images()[0].get_array()).all()
