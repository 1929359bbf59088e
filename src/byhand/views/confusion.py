"""The confusion matrix: what each class of the test set was taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from byhand.views.style import BLACK, FAINT, GREY, figure, plain, styled
from byhand.views.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANNOTATED = 20
"""The most classes for which each cell has its number written in it."""


@dataclass(frozen=True)
class Confusion:
    """counts[true, answered]: test examples of a class that were given an answer."""

    about: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]


def compute(subject: Subject) -> Confusion:
    """Count the answers to the test set.

    Raises      DoesNotApply for regression, or before the first epoch is finished.
    """
    classes = subject.classes
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (subject.dataset.test.targets, subject.test_outputs.argmax(axis=1)), 1)
    return Confusion(subject.about_best, classes, counts)


@styled
def draw(view: Confusion) -> Figure:
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    total, right = int(view.counts.sum()), int(view.counts.trace())
    share = 100 * (total - right) / total
    headline = f"Confusion on the test set: {total - right:,} of {total:,} wrong ({share:.2f} %)"
    page = figure(6.4, headline, view.about)
    axes = page.subplots()
    diagonal = np.eye(len(view.counts), dtype=bool)
    wrong = np.ma.masked_array(view.counts, diagonal)
    most = max(1, int(view.counts[~diagonal].max()))
    colours = matplotlib.colormaps["Oranges"].with_extremes(bad=FAINT)
    image = axes.imshow(wrong, cmap=colours, vmin=0, vmax=most)
    bar = page.colorbar(image, ax=axes, shrink=0.8, label="examples answered wrongly")
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10])
    if len(view.counts) <= ANNOTATED:
        _annotate(axes, view.counts, most)
    _name_axes(axes, view.classes)
    return page


def _annotate(axes: Axes, counts: NDArray[np.int64], most: int) -> None:
    for (true, answered), count in np.ndenumerate(counts):
        dark = true != answered and count > 0.6 * most
        colour = "white" if dark else BLACK if count else GREY
        axes.text(answered, true, str(count), ha="center", va="center", color=colour, size=9)


def _name_axes(axes: Axes, classes: tuple[str, ...]) -> None:
    names = [plain(name, 14) for name in classes]
    small = 9 if len(names) <= ANNOTATED else 5
    long = max(map(len, names)) > 4 or len(names) > ANNOTATED
    axes.set_xticks(range(len(names)), names, size=small, rotation=90 if long else 0)
    axes.set_yticks(range(len(names)), names, size=small)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
