"""What is drawn of a sweep. Its trials are written here, as if they had been trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from byhand.training.sweep import Sweep
from byhand.views.sweep import compute, draw_epochs, draw_settings, show

RECIPE = """
title = "A line"
loss = "softmax_cross_entropy"

[data]
table = "{folder}/points.csv"

[model]
sizes = [1, 2]

[optimizer]
name = "sgd"
learning_rate = 0.1

[training]
epochs = 3
batch_size = 10
"""
RATE = "optimizer.learning_rate"
SPACES = [
    f"{RATE}=log(1e-3,1)",
    "training.batch_size=int(2,9)",
    "training.dtype=choice(float64,float32)",
]
ACCURACIES = {"trial-1": [0.5, 0.8, 0.9], "trial-2": [0.6], "trial-3": [0.7, 0.95, 0.94]}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Four trials: the first and the third finished, the second stopped early, the last one not
    begun."""
    points = "\n".join(f"{k},{'ab'[k % 2]}" for k in range(40))
    (tmp_path / "points.csv").write_text(f"x,label\n{points}\n")
    path = tmp_path / "points.toml"
    path.write_text(RECIPE.format(folder=tmp_path))
    made = Sweep.create(str(path), SPACES, trials=4, seed=1, root=tmp_path / "runs")
    for name, accuracies in ACCURACIES.items():
        write(made, name, accuracies)
    return made


def write(sweep: Sweep, name: str, accuracies: Sequence[float]) -> None:
    run = sweep.run(name)
    for epoch, accuracy in enumerate(accuracies, start=1):
        scores = {"validation_accuracy": accuracy, "validation_loss": 2.0}
        run.append({"kind": "epoch", "epoch": epoch, "step": 4 * epoch, **scores})
    run.append({"kind": "finished" if len(accuracies) == 3 else "stopped", "step": 12})
    sweep.end(name)


def test_the_arrays(sweep: Sweep) -> None:
    view = compute(sweep)
    order = ["trial-3", "trial-1", "trial-2"]
    assert view.measure == "validation error (%)"
    assert view.about == f"points-sweep: 3 of 4 trials of {sweep.plan.recipe}, seed 1"
    np.testing.assert_allclose(view.errors, [5, 10, 40])
    np.testing.assert_allclose(view.curves[0], [30, 5, 6])
    assert [len(curve) for curve in view.curves] == [3, 3, 1]
    assert view.finished.tolist() == [True, True, False]
    drawn = [sweep.plan.trials[name] for name in order]
    assert view.values[RATE].tolist() == [float(values[RATE]) for values in drawn]
    assert view.logarithmic == {RATE}
    assert view.choices == {"training.dtype": sorted({v["training.dtype"] for v in drawn})}
    labels = [view.choices["training.dtype"][int(k)] for k in view.values["training.dtype"]]
    assert labels == [values["training.dtype"] for values in drawn]


def test_where_there_are_no_classes_it_is_the_loss(sweep: Sweep) -> None:
    for name, losses in {"trial-1": [0.5, 0.2], "trial-2": [0.6, 0.7], "trial-3": [0.3]}.items():
        run = sweep.run(name)
        (run.folder / "metrics.jsonl").unlink()
        for epoch, loss in enumerate(losses, start=1):
            scores = {"validation_accuracy": None, "validation_loss": loss}
            run.append({"kind": "epoch", "epoch": epoch, "step": epoch, **scores})
    view = compute(sweep)
    assert view.measure == "validation loss"
    assert view.errors.tolist() == [0.2, 0.3, 0.6]
    assert [curve.tolist() for curve in view.curves] == [[0.5, 0.2], [0.3], [0.6, 0.7]]


def test_the_panels_of_the_settings(sweep: Sweep) -> None:
    view = compute(sweep)
    page = draw_settings(view)
    shown = [axes for axes in page.axes if axes.axison]
    assert [axes.get_xlabel() for axes in shown] == list(view.values)
    assert [axes.get_xscale() for axes in shown] == ["log", "linear", "linear"]
    assert shown[0].get_yscale() == "log"
    assert shown[0].get_title("left") == f"best: {view.values[RATE][0]:.4g}"
    for axes, values in zip(shown, view.values.values(), strict=True):
        np.testing.assert_array_equal(axes.collections[0].get_offsets()[:, 0], values)
    labels = [label.get_text() for label in shown[2].get_xticklabels()]
    assert labels == view.choices["training.dtype"]


def test_the_curves(sweep: Sweep) -> None:
    view = compute(sweep)
    (axes,) = draw_epochs(view).axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    # The best is drawn last, on top of the others.
    np.testing.assert_array_equal(lines[-1].get_ydata(), view.curves[0])
    assert axes.get_ylabel() == "validation error (%)"
    assert axes.get_yscale() == "log"


def test_an_error_of_nothing_has_no_logarithm(sweep: Sweep) -> None:
    write(sweep, "trial-4", [0.9, 1.0, 1.0])
    (axes,) = draw_epochs(compute(sweep)).axes
    assert axes.get_yscale() == "linear"


def test_show_writes_pngs_into_the_sweep(sweep: Sweep) -> None:
    paths = show(sweep)
    assert paths == [sweep.folder / "figures/settings.png", sweep.folder / "figures/epochs.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
