"""What reaches each layer over training: gradients, updates, and units that pass none on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.training.run import Row
from byhand.views.style import FAINT, figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]
USUAL = -3
"""log10 of ‖Δw‖ / ‖w‖ of a step when learning goes well, as a rule of thumb."""


@dataclass(frozen=True)
class GradientFlow:
    """What was measured at the observed steps, by layer from the input to the output.

    steps       [observed]
    norms       {layer: [observed]}     ‖∂L/∂(W, b)‖ of the step's batch, before clipping
    ratios      {layer: [observed]}     ‖Δw‖ / ‖w‖ of the step
    idle        {layer: [observed]}     for each layer of activations the share that passes hardly
                                        any gradient on: dead ReLU units, saturated outputs of
                                        sigmoid and tanh
    """

    about: str
    steps: NDArray[np.int64]
    norms: dict[str, Array]
    ratios: dict[str, Array]
    idle: dict[str, Array]


def compute(subject: Subject) -> GradientFlow:
    """Read the norms from the run's metrics.

    Raises      DoesNotApply before the first observed step.
    """
    rows = subject.rows("step")
    if not rows:
        raise DoesNotApply(
            f"an observed step is needed, and run {subject.run.name} has none "
            "(they are 50 steps apart, or more)"
        )
    return flow_of(rows, subject.about)


def flow_of(rows: Sequence[Row], about: str) -> GradientFlow:
    """The same from rows of kind "step", one or more."""

    def column(field: str, layer: str) -> Array:
        return np.array([row[field][layer] for row in rows])

    layers = list(rows[0]["update_ratio"])
    idle = {name: column("dead", name) for name in rows[0]["dead"]}
    idle |= {name: column("saturated", name) for name in rows[0]["saturated"]}
    return GradientFlow(
        about=about,
        steps=np.array([row["step"] for row in rows]),
        norms={name: column("gradient_norm", name) for name in layers},
        ratios={name: column("update_ratio", name) for name in layers},
        idle=idle,
    )


@styled
def draw(view: GradientFlow) -> Figure:
    layers = len(view.norms)
    heights = [1.1 + 0.17 * layers] * 2 + [1.1 + 0.17 * len(view.idle)] * bool(view.idle)
    page = figure(sum(heights), "What reaches each layer", f"{view.about}; the input is on top")
    panels = page.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    image = layers_by_steps(panels[0], view.steps, logarithms(view.norms))
    panels[0].set_title("Gradient norm ‖∂L/∂(W, b)‖ of one batch, before clipping")
    bar(panels[0], image, "log10 norm")

    ratios = logarithms(view.ratios)
    # At least a factor of ten to either side; 0, which is NaN here, is beyond any colour.
    far = float(np.nanmax(np.abs(np.stack([*ratios.values()]) - USUAL), initial=1))
    ends = {"vmin": USUAL - far, "vmax": USUAL + far}
    image = layers_by_steps(panels[1], view.steps, ratios, cmap="PuOr_r", **ends)
    panels[1].set_title("Update-to-weight ratio ‖Δw‖ / ‖w‖ of one step; white is a usual 1e-3")
    bar(panels[1], image, "log10 ratio")

    if view.idle:
        percent = {name: 100 * line for name, line in view.idle.items()}
        image = layers_by_steps(panels[2], view.steps, percent, vmin=0, vmax=100)
        panels[2].set_title("Units that pass on hardly any gradient: dead ReLUs, saturated outputs")
        bar(panels[2], image, "share, %")
    panels[-1].set_xlabel("training step")
    return page


def logarithms(lines: dict[str, Array]) -> dict[str, Array]:
    """log10 of each line; NaN, which is drawn gray, for 0."""
    return {
        name: np.log10(line, where=line > 0, out=np.full(line.shape, np.nan))
        for name, line in lines.items()
    }


def layers_by_steps(
    axes: Axes,
    steps: NDArray[np.int64],
    lines: dict[str, Array],
    cmap: str = "viridis",
    **ends: Any,
) -> AxesImage:
    """An image with a row for each layer, the first on top, and a column for each observed step."""
    import matplotlib

    apart = int(steps[1] - steps[0]) if len(steps) > 1 else int(steps[0])
    image = axes.imshow(
        np.array(list(lines.values()), np.float64),
        aspect="auto",
        interpolation="none",
        cmap=matplotlib.colormaps[cmap].with_extremes(bad=FAINT),
        extent=(steps[0] - apart / 2, steps[-1] + apart / 2, len(lines) - 0.5, -0.5),
        **ends,
    )
    axes.set_yticks(range(len(lines)), [plain(name, 20) for name in lines])
    axes.grid(visible=False)
    return image


def bar(axes: Axes, image: AxesImage, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(4, integer=True, steps=(1, 2, 5, 10))
    beside = axes.figure.colorbar(image, ax=axes, label=label, pad=0.01, aspect=12, ticks=ticks)
    beside.outline.set_visible(False)
