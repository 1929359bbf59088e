from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.training import Run
from byhand.training.observation import PROBE
from byhand.views import Focus, Subject, histograms
from byhand.views.histograms import Series


def test_the_last_row_is_the_model_and_the_first_is_the_start(run: Run, subject: Subject) -> None:
    view = histograms.compute(subject)
    assert view.epochs.tolist() == [0, 1, 2]
    assert [series.name for series in view.weights] == ["hidden1.W", "output.W"]
    assert [series.name for series in view.activations] == ["hidden1", "sigmoid1", "output"]
    model = run.parameters("model")
    for series in view.weights:
        counts, _ = np.histogram(model[series.name], series.edges)
        np.testing.assert_allclose(series.shares[-1], counts / model[series.name].size)
        assert np.abs(series.shares[0] - series.shares[-1]).max() > 0


def test_outputs_are_those_of_the_probe(run: Run) -> None:
    subject = Subject(run)
    subject.program.set_parameters(run.parameters("model"))
    outputs = subject.program.activations(subject.dataset.train.first(PROBE).inputs)
    for series in histograms.compute(subject).activations:
        counts, _ = np.histogram(outputs[series.name], series.edges)
        np.testing.assert_allclose(series.shares[-1], counts / counts.sum(), atol=2e-3)


def test_quantiles_within_a_bin_of_the_exact_ones() -> None:
    values = np.random.default_rng(0).standard_normal(5000)
    edges = np.linspace(-5, 5, 101)
    counts, _ = np.histogram(values, edges)
    series = Series("a", edges, counts[None] / 5000)
    for q in (0.05, 0.5, 0.95):
        assert series.quantile(q)[0] == pytest.approx(np.quantile(values, q), abs=0.1)


def test_one_layer(run: Run) -> None:
    view = histograms.compute(Subject(run, focus=Focus(layer="output")))
    assert [series.name for series in view.weights + view.activations] == ["output.W", "output"]
    view = histograms.compute(Subject(run, focus=Focus(layer="sigmoid1")))
    assert [series.name for series in view.weights + view.activations] == ["sigmoid1"]
    assert histograms.draw(view).axes[0].get_title(loc="left") == "outputs of sigmoid1"


@pytest.mark.parametrize(
    ("layer", "advice"),
    [
        ("hiden1", "did you mean hidden1?"),
        ("xyz", "there is hidden1, sigmoid1, output"),
    ],
)
def test_a_layer_without_histograms(run: Run, layer: str, advice: str) -> None:
    with pytest.raises(InputError) as caught:
        histograms.compute(Subject(run, focus=Focus(layer=layer)))
    assert str(caught.value) == f"no histograms of layer {layer!r}; {advice}"


def test_the_figure_has_weights_above_outputs(subject: Subject) -> None:
    view = histograms.compute(subject)
    page = histograms.draw(view)
    assert page.texts[0].get_text() == "Weights and outputs of each layer over time"
    assert page.texts[1].get_text().splitlines()[1] == (
        "run shapes, 2 of 2 epochs; outputs: of 256 training examples; "
        "lines: 5, 50 and 95 % lie below"
    )
    *cells, bar = page.axes
    shown = [axes for axes in cells if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [
        "weights of hidden1",
        "weights of output",
        "outputs of hidden1",
        "outputs of sigmoid1",
        "outputs of output",
    ]
    assert [axes.get_xlabel() for axes in shown] == ["", "", "epoch", "epoch", "epoch"]
    assert bar.get_xlabel().startswith("share of the numbers in a bin")
    shares = view.weights[0].shares.T
    drawn = shown[0].get_images()[0].get_array().filled(0)
    np.testing.assert_allclose(drawn, shares / shares.max())
    assert shown[0].get_lines()[1].get_ydata() == pytest.approx(view.weights[0].quantile(0.5))


def test_of_a_deep_network_both_ends_are_drawn(subject: Subject) -> None:
    rows = subject.rows("histograms")
    counts = rows[0]["weights"]["output.W"]
    deep = [{"weights": {f"layer{k}.W": counts for k in range(40)}}]
    names = [series.name for series in histograms.series_of(deep, "weights")]
    assert names == [f"layer{k}.W" for k in (*range(6), *range(34, 40))]


def test_weights_that_are_all_the_same(subject: Subject) -> None:
    view = histograms.compute(subject)
    same = Series("a.W", np.array([0.0, 1.0]), np.ones((3, 1)))
    page = histograms.draw(replace(view, weights=(same,), activations=()))
    assert page.axes[0].get_visible()
