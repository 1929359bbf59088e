"""A few test images with what the network makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.views.style import BLUE, GREY, RED, figure, picture, plain, styled
from byhand.views.subject import MEANING, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN, PAIRS = 10, 2
BARS = 5
"""The likeliest classes that are drawn."""


@dataclass(frozen=True)
class Predictions:
    """The first test images and the outputs for each class.

    images      [shown, channels, height, width]
    true        [shown]             class numbers
    outputs     [shown, classes]    see `Subject.symbol`
    """

    about: str
    classes: tuple[str, ...]
    symbol: str
    images: NDArray[Any]
    true: NDArray[np.int64]
    outputs: NDArray[Any]


def compute(subject: Subject, shown: int = SHOWN) -> Predictions:
    """Take the first test images and their outputs.

    Raises      DoesNotApply for regression, inputs that are not images, or before the first epoch
                is finished.
    """
    return Predictions(
        about=subject.about_best,
        classes=subject.classes,
        symbol=subject.symbol,
        images=subject.test_images[:shown],
        true=subject.dataset.test.targets[:shown],
        outputs=subject.test_outputs[:shown],
    )


@styled
def draw(view: Predictions) -> Figure:
    right = int((view.outputs.argmax(axis=1) == view.true).sum())
    shown = len(view.true)
    rows = -(-shown // PAIRS)
    headline = f"Predictions: {right} of the first {shown} test images answered right"
    bars = min(BARS, len(view.classes))
    key = f"bars: {MEANING[view.symbol]} of the {bars} likeliest classes; blue: the true class"
    page = figure(1.25 * rows, headline, f"{view.about}\n{key}")
    cells = page.subplots(rows, 2 * PAIRS, squeeze=False, width_ratios=[1, 1.9] * PAIRS)
    for k, (image, chart) in enumerate(cells.reshape(-1, 2)):
        if k < shown:
            picture(image, view.images[k])
            _bars(chart, view, k)
        else:
            image.set_axis_off()
            chart.set_axis_off()
    return page


def _bars(axes: Axes, view: Predictions, k: int) -> None:
    """The likeliest classes, the answer on top."""
    outputs, true = view.outputs[k], int(view.true[k])
    best = np.argsort(-outputs, kind="stable")[:BARS]
    answered = int(best[0])
    colours = [BLUE if c == true else RED if c == answered else GREY for c in best]
    bars = axes.barh(range(len(best)), outputs[best], color=colours)
    axes.bar_label(bars, fmt="%.3f", padding=3, size=8)
    axes.set_yticks(range(len(best)), [plain(view.classes[c], 14) for c in best])
    axes.invert_yaxis()
    # Room for the number after a bar of length 1.
    axes.set_xlim(min(0.0, float(outputs[best].min())), 1.25)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    wrong = f"wrong: it is {plain(view.classes[true], 14)}"
    axes.set_title("right" if answered == true else wrong, size=9)
