"""A sweep to look at: the error of each trial against each setting, and epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.storage import atomic
from byhand.training.run import Row
from byhand.training.sweep import Sweep
from byhand.views.style import BLUE, ORANGE, figure, log_scale, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
COLUMNS = 2
MANY_CHOICES = 4
"""More labels than that under one panel are turned."""


@dataclass(frozen=True)
class SweepView:
    """The trials that finished an epoch, the best first.

    measure     "validation error (%)", the share of wrong answers, or "validation loss" where there
                are no classes; less is better
    values      {setting: [trials]}     numbers, or for a choice the number of the choice
    choices     {setting: its labels}   of the settings that are choices
    logarithmic the settings that were drawn on a logarithmic scale
    errors      [trials]                the measure at each trial's best epoch
    curves      [trials][epochs]        the measure after each epoch
    finished    [trials]                whether it was trained to its end
    """

    about: str
    measure: str
    values: dict[str, Array]
    choices: dict[str, list[str]]
    logarithmic: frozenset[str]
    errors: Array
    curves: list[Array]
    finished: NDArray[np.bool_]


def show(sweep: Sweep) -> list[Path]:
    """Draw a sweep's figures as PNG files into its folder, and return where they are."""
    view = compute(sweep)
    paths = []
    for name, draw in (("settings", draw_settings), ("epochs", draw_epochs)):
        path = sweep.figures / f"{name}.png"
        with atomic(path) as temporary:
            draw(view).savefig(temporary, format="png")
        paths.append(path)
    return paths


def compute(sweep: Sweep) -> SweepView:
    """Read the errors from the trials' metrics."""
    trials = [trial for trial in sweep.trials() if trial.best]
    monitor = sweep.monitor
    classes = trials[0].epochs[0][f"{monitor}_accuracy"] is not None
    varying = [setting for setting in sweep.plan.settings if setting.varies]
    labels = {s.key: [str(t.values[s.key]) for t in trials] for s in varying if s.form == "choice"}
    choices = {key: sorted(set(found)) for key, found in labels.items()}
    values = {
        s.key: [choices[s.key].index(label) for label in labels[s.key]]
        if s.key in choices
        else [trial.values[s.key] for trial in trials]
        for s in varying
    }
    planned = len(sweep.plan.trials)
    return SweepView(
        about=f"{sweep.name}: {len(trials)} of {planned} trials of {sweep.plan.recipe}, "
        f"seed {sweep.plan.seed}",
        measure=f"{monitor} error (%)" if classes else f"{monitor} loss",
        values={key: np.array(found, np.float64) for key, found in values.items()},
        choices=choices,
        logarithmic=frozenset(s.key for s in varying if s.form == "log"),
        errors=_errors([trial.best for trial in trials if trial.best], monitor),
        curves=[_errors(trial.epochs, monitor) for trial in trials],
        finished=np.array([trial.ended == "finished" for trial in trials]),
    )


def _errors(rows: Sequence[Row], monitor: str) -> Array:
    right = [row[f"{monitor}_accuracy"] for row in rows]
    if None in right:
        return np.array([row[f"{monitor}_loss"] for row in rows], np.float64)
    return 100 * (1 - np.array(right, np.float64))


@styled
def draw_settings(view: SweepView) -> Figure:
    """A panel for each setting: its values against the error of the best epoch."""
    rows = math.ceil(len(view.values) / COLUMNS)
    columns = min(COLUMNS, len(view.values))
    key = "full: trained to the end; hollow: stopped early or failed; orange: the best trial"
    page = figure(2.9 * rows, "What each setting does", f"{view.about}; {key}")
    panels = page.subplots(rows, columns, sharey=True, squeeze=False)
    for k, axes in enumerate(panels.ravel()):
        if k >= len(view.values):
            axes.set_axis_off()
            continue
        name = list(view.values)[k]
        _points(axes, view, name)
        if k % columns == 0:
            axes.set_ylabel(view.measure)
    _spread(panels[0, 0], view)
    return page


def _points(axes: Axes, view: SweepView, name: str) -> None:
    x = view.values[name]
    faces = np.where(view.finished, BLUE, "white")
    axes.scatter(x, view.errors, s=28, c=faces, edgecolors=BLUE, linewidths=1.2)
    axes.scatter(x[:1], view.errors[:1], s=60, c=ORANGE, edgecolors="black", linewidths=0.8)
    axes.set_xlabel(name)
    if name in view.logarithmic:
        axes.set_xscale("log")
    if labels := view.choices.get(name):
        turned = len(labels) > MANY_CHOICES
        axes.set_xticks(
            range(len(labels)),
            [plain(label, 24) for label in labels],
            rotation=30 if turned else 0,
            ha="right" if turned else "center",
        )
        axes.set_xlim(-0.5, len(labels) - 0.5)
        best = labels[int(x[0])]
    else:
        best = f"{x[0]:.4g}"
    axes.set_title(f"best: {plain(best, 32)}")


@styled
def draw_epochs(view: SweepView) -> Figure:
    """The error of every trial epoch by epoch."""
    from matplotlib.ticker import MaxNLocator

    key = "a circle: where a trial was stopped early or failed; orange: the best trial"
    page = figure(3.6, "Trials epoch by epoch", f"{view.about}; {key}")
    axes = page.subplots()
    # The best last, on top of the others.
    for k in reversed(range(len(view.curves))):
        curve = view.curves[k]
        epochs = np.arange(1, len(curve) + 1)
        colour = BLUE if k else ORANGE
        axes.plot(epochs, curve, color=colour, lw=1.0 if k else 2.2, alpha=0.5 if k else 1.0)
        if not view.finished[k]:
            axes.plot(epochs[-1:], curve[-1:], "o", ms=4, mfc="white", mec=colour)
        elif len(curve) == 1:
            axes.plot(epochs, curve, "o", ms=4, color=colour)
    axes.set_xlabel("epoch")
    axes.set_ylabel(view.measure)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _spread(axes, view)
    return page


def _spread(axes: Axes, view: SweepView) -> None:
    """Spread the good trials, which lie close together, on a logarithmic axis; it has no 0."""
    if min(curve.min() for curve in view.curves) > 0:
        log_scale(axes)
