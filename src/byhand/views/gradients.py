"""Gradient norms and update sizes of each layer over training: does every layer learn?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.views.style import BLACK, PALETTE, figure, log_scale, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
USUAL = 1e-3
"""‖Δw‖ / ‖w‖ of a step when learning goes well, as a rule of thumb."""


@dataclass(frozen=True)
class Gradients:
    """What was measured at the observed steps, by layer from the input to the output.

    steps       [observed]
    norms       {layer: [observed]}     ‖∂L/∂(W, b)‖ of the step's batch, before clipping
    ratios      {layer: [observed]}     ‖Δw‖ / ‖w‖ of the step
    """

    about: str
    steps: NDArray[np.int64]
    norms: dict[str, Array]
    ratios: dict[str, Array]


def compute(subject: Subject) -> Gradients:
    """Read the norms from the run's metrics.

    Raises      DoesNotApply before the first observed step.
    """
    rows = subject.rows("step")
    if not rows:
        raise DoesNotApply(
            f"an observed step is needed, and run {subject.run.name} has none "
            "(they are 50 steps apart, or more)"
        )
    layers = list(rows[0]["update_ratio"])
    return Gradients(
        about=subject.about,
        steps=np.array([row["step"] for row in rows]),
        norms={n: np.array([row["gradient_norm"][n] for row in rows]) for n in layers},
        ratios={n: np.array([row["update_ratio"][n] for row in rows]) for n in layers},
    )


@styled
def draw(view: Gradients) -> Figure:
    key = "thin: one batch, as it was measured; thick: the running median"
    page = figure(6.2, "Gradients and updates of each layer", f"{view.about}; {key}")
    upper, lower = page.subplots(2, 1, sharex=True)
    _lines(upper, view.steps, view.norms)
    upper.set_title("Gradient norm ‖∂L/∂(W, b)‖ of one batch")
    upper.set_ylabel("gradient norm (log)")
    _lines(lower, view.steps, view.ratios)
    lower.axhline(USUAL, color=BLACK, linestyle="--", linewidth=1, label="1e-3, a usual size")
    lower.set_title("Update-to-weight ratio ‖Δw‖ / ‖w‖ of one step")
    lower.set_ylabel("update / weight (log)")
    lower.set_xlabel("training step")
    lower.legend(loc="best", ncols=2)
    return page


def smooth(line: Array) -> Array:
    """The running median over a twentieth of the line, which a single odd batch does not move."""
    half = len(line) // 40
    padded = np.pad(line, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(np.median(windows, axis=1))


def _lines(axes: Axes, steps: NDArray[np.int64], values: dict[str, Array]) -> None:
    mark = "o-" if len(steps) <= 20 else "-"
    for k, (layer, line) in enumerate(values.items()):
        colour = PALETTE[k % len(PALETTE)]
        axes.plot(steps, line, alpha=0.3, lw=0.8, color=colour)
        axes.plot(steps, smooth(line), mark, ms=3, color=colour, label=plain(layer, 20))
    log_scale(axes)
