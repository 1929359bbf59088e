"""Learning curves: loss and accuracy on each split as training went on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.training.observation import PROBE
from byhand.training.run import Row, score
from byhand.views.style import BLUE, GREY, SPLITS, figure, log_scale, styled
from byhand.views.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
UNITS = {"quadratic": "quadratic cost"}
"""The loss on its axis; the others are cross-entropies."""
CHARACTERS = "cross-entropy (nats per character)"


@dataclass(frozen=True)
class Curves:
    """Loss and accuracy over epochs.

    epochs              [epochs]      1, 2, …
    loss, accuracy      {split: [epochs]}; accuracy is {} for regression
    steps               [observed]    where the observed steps lie, in epochs
    step_loss           [observed]    the mean training loss since the last observed step
    step_accuracy       [observed]    on a few training examples; empty for regression
    """

    about: str
    unit: str
    monitor: str
    best_epoch: int
    epochs: NDArray[np.int64]
    loss: dict[str, Array]
    accuracy: dict[str, Array]
    steps: Array
    step_loss: Array
    step_accuracy: Array


def compute(subject: Subject) -> Curves:
    """Read the curves from the run's metrics.

    Raises      DoesNotApply before the first epoch is finished.
    """
    rows, steps = subject.epochs(), subject.rows("step")
    monitor = subject.recipe.training.monitor
    labelled = rows[0]["validation_accuracy"] is not None
    steps_per_epoch = rows[0]["step"] / rows[0]["epoch"]
    return Curves(
        about=subject.about,
        unit=_unit(subject),
        monitor=monitor,
        best_epoch=max(rows, key=lambda row: score(row, monitor))["epoch"],
        epochs=np.array([row["epoch"] for row in rows]),
        loss={
            "training": _column(rows, "train_loss"),
            "validation": _column(rows, "validation_loss"),
            "test": _column(rows, "test_loss"),
        },
        accuracy={s: _column(rows, f"{s}_accuracy") for s in ("validation", "test") if labelled},
        steps=_column(steps, "step") / steps_per_epoch,
        step_loss=_column(steps, "loss"),
        step_accuracy=_column(steps if labelled else [], "accuracy"),
    )


def _unit(subject: Subject) -> str:
    data = subject.recipe.data
    if data.is_text:
        characters = data.tokens in (None, "characters")
        return CHARACTERS if characters else "cross-entropy (nats per token)"
    return UNITS.get(subject.recipe.loss, "cross-entropy (nats)")


def _column(rows: list[Row], name: str) -> Array:
    return np.array([row[name] for row in rows], np.float64)


@styled
def draw(view: Curves) -> Figure:
    from matplotlib.ticker import MaxNLocator

    panels = 2 if view.accuracy else 1
    best = f"dotted: epoch {view.best_epoch}, the best on the {view.monitor} set"
    page = figure(3.1 * panels, "Learning curves", f"{view.about}; {best}")
    axes = page.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    _loss(axes[0], view)
    if view.accuracy:
        _accuracy(axes[1], view)
    for each in axes:
        each.axvline(view.best_epoch, color=GREY, linestyle=":", linewidth=1.2, zorder=1)
    axes[-1].set_xlabel("epoch")
    axes[-1].set_xlim(0, view.epochs[-1] * 1.02)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return page


def _loss(axes: Axes, view: Curves) -> None:
    # A mean over some steps belongs to the middle of them.
    middle = view.steps - np.diff(view.steps, prepend=0) / 2
    few = "training, mean of a few steps"
    axes.plot(middle, view.step_loss, color=BLUE, alpha=0.35, lw=0.9, label=few)
    _lines(axes, view, view.loss)
    log_scale(axes)
    axes.set_ylabel(view.unit)
    if view.unit == CHARACTERS:
        _in_bits(axes)
    axes.set_title(f"Loss at epoch {view.best_epoch}: {_best(view, view.loss, '.4g')}")


def _in_bits(axes: Axes) -> None:
    """The loss once more, on an axis at the right."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    bits = axes.secondary_yaxis("right", functions=(_to_bits, _to_nats))
    bits.set_ylabel("bits per character")
    bits.yaxis.set_major_locator(MaxNLocator(5))
    bits.yaxis.set_major_formatter("{x:g}")
    bits.yaxis.set_minor_formatter(NullFormatter())


def _to_bits(nats: Any) -> Any:
    return nats / np.log(2)


def _to_nats(bits: Any) -> Any:
    return bits * np.log(2)


def _accuracy(axes: Axes, view: Curves) -> None:
    percent = {split: 100 * values for split, values in view.accuracy.items()}
    few = f"training, at most {PROBE} examples"
    axes.plot(view.steps, 100 * view.step_accuracy, color=BLUE, alpha=0.35, lw=0.9, label=few)
    _lines(axes, view, percent)
    axes.set_ylabel("accuracy (%)")
    axes.set_title(f"Accuracy at epoch {view.best_epoch}: {_best(view, percent, '.2f', ' %')}")
    # The first few steps rise from chance; what one compares happens far above them.
    if len(view.epochs) < 3:
        return
    ends = np.concatenate(list(percent.values()))
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    axes.set_ylim(bottom=max(0.0, low - max(2.0, (high - low) / 2)))


def _lines(axes: Axes, view: Curves, values: dict[str, Array]) -> None:
    size = 3.5 if len(view.epochs) <= 40 else 0
    for split, line in values.items():
        label = "training, mean of the epoch" if split == "training" else split
        axes.plot(view.epochs, line, "o-", ms=size, color=SPLITS[split], label=label)
    axes.legend()


def _best(view: Curves, values: dict[str, Array], form: str, unit: str = "") -> str:
    where = int(np.flatnonzero(view.epochs == view.best_epoch)[0])
    return ", ".join(f"{split} {line[where]:{form}}{unit}" for split, line in values.items())
