"""How weights and outputs are distributed in each layer, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError, nearest
from byhand.training.histograms import Histogram, common
from byhand.training.observation import PROBE
from byhand.training.run import Row
from byhand.views.style import BLACK, figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]
MOST = 12
"""Layers of weights and of outputs that are drawn: the first and the last ones."""
COLUMNS = 4
QUANTILES = (0.05, 0.5, 0.95)
OUTSIDE = 0.001
"""The share of numbers that may lie beyond either end of the picture."""
FAINTEST = 1e-3
"""The share of a bin that is drawn as white."""


@dataclass(frozen=True)
class Series:
    """One layer's weights or outputs over time.

    edges       [bins + 1]
    shares      [epochs, bins]      of all numbers at that time; each row sums to 1
    """

    name: str
    edges: Array
    shares: Array

    def quantile(self, q: float) -> Array:
        """[epochs]: what a share q lies below, taking a bin's numbers as spread evenly in it."""
        sums = np.hstack([np.zeros((len(self.shares), 1)), self.shares.cumsum(axis=1)])
        return np.array([np.interp(q, row, self.edges) for row in sums])


@dataclass(frozen=True)
class Histograms:
    """What the run recorded at the start, epoch 0, and after each epoch, from the input on.

    epochs      [epochs]
    """

    about: str
    epochs: NDArray[np.int64]
    weights: tuple[Series, ...]
    activations: tuple[Series, ...]


def compute(subject: Subject) -> Histograms:
    """Read the histograms from the run's metrics, of all layers or of the one asked for.

    Raises      DoesNotApply where there are none, InputError where there is no such layer.
    """
    rows = subject.rows("histograms")
    if not rows:
        raise DoesNotApply(
            f"recorded histograms are needed, and run {subject.run.name} has none: it was not yet "
            "trained, or by a byhand that did not record them"
        )
    return Histograms(
        subject.about,
        np.array([row["epoch"] for row in rows]),
        *(series_of(rows, kind, subject.focus.layer) for kind in ("weights", "activations")),
    )


def series_of(rows: Sequence[Row], kind: str, layer: str | None = None) -> tuple[Series, ...]:
    """Of rows with histograms the weights' or the activations', of all layers or of one."""
    names = list(rows[0][kind])
    if layer is not None:
        known = dict.fromkeys(name.split(".")[0] for name in rows[0]["activations"])
        if layer not in known:
            advice = nearest(layer, known, "there is " + ", ".join(known))
            raise InputError(f"no histograms of layer {layer!r}; {advice}")
        names = [name for name in names if name.split(".")[0] == layer]
    elif len(names) > MOST:
        names = names[: MOST // 2] + names[-MOST // 2 :]
    found = []
    for name in names:
        edges, counts = common(Histogram(**row[kind][name]) for row in rows)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        found.append(Series(name, edges, counts / total))
    return tuple(found)


@styled
def draw(view: Histograms) -> Figure:
    blocks = [series for series in (view.weights, view.activations) if series]
    rows = sum(-(-len(series) // COLUMNS) for series in blocks)
    key = f"outputs: of {PROBE} training examples; lines: 5, 50 and 95 % lie below"
    about = f"{view.about}; {key}"
    page = figure(1.9 * rows + 0.5, "Weights and outputs of each layer over time", about)
    cells = page.subplots(rows, COLUMNS, squeeze=False)
    row = 0
    for block in blocks:
        for k, series in enumerate(block):
            axes = cells[row + k // COLUMNS, k % COLUMNS]
            image = over_time(axes, view.epochs, series)
            kind = "weights" if block is view.weights else "outputs"
            axes.set_xlabel("epoch" if block is blocks[-1] else "")
            axes.set_title(f"{kind} of {plain(series.name.split('.')[0], 16)}", size=9)
        row += -(-len(block) // COLUMNS)
    for axes in cells.flat:
        axes.set_visible(axes.has_data())
    bar = page.colorbar(
        image,
        ax=cells,
        location="bottom",
        extend="both",
        shrink=0.5,
        aspect=40,
        pad=0.02,
        label="share of the numbers in a bin, relative to the fullest bin of the panel (log)",
    )
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return page


def over_time(axes: Axes, epochs: NDArray[np.int64], series: Series) -> AxesImage:
    """One panel: a column for each epoch, which are equally far apart; darker where more of the
    numbers are."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    fullest = float(series.shares.max()) or 1.0
    half = (epochs[1] - epochs[0]) / 2 if len(epochs) > 1 else 0.5
    image = axes.imshow(
        np.ma.masked_equal(series.shares.T / fullest, 0),
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap="Blues",
        norm=LogNorm(FAINTEST, 1, clip=True),
        extent=(epochs[0] - half, epochs[-1] + half, series.edges[0], series.edges[-1]),
    )
    for q in QUANTILES:
        width = 1.2 if q == 0.5 else 0.7
        axes.plot(epochs, series.quantile(q), color=BLACK, linewidth=width)
    low, high = series.quantile(OUTSIDE).min(), series.quantile(1 - OUTSIDE).max()
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False)
    return image
