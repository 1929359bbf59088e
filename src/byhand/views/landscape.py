"""The loss around the trained parameters θ, on a plane through them:

    f(a, b) = L(θ + a u + b v)

u and v are random directions, normalised filter by filter: each unit's weights in u have the length
that they have in θ. So a = 1 changes every unit by its own size, whatever that is. Without it the
picture would depend on the scale of the weights, of which a ReLU network is free: multiply one
layer by 10, divide the next, and it computes the same.

u and v are 0 at biases, at the scales and shifts of a normalisation and at its statistics, as in
the paper's own pictures.

Source      Li, Xu, Taylor, Studer, Goldstein, Visualizing the loss landscape of neural nets (2018),
            arXiv 1712.09913, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from byhand.data import Split
from byhand.engines import Program
from byhand.layers import Sequential
from byhand.randomness import stream
from byhand.views.style import figure, styled
from byhand.views.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure

Array = NDArray[Any]
Parameters = Mapping[str, Array]
EXAMPLES = 512
"""Training examples, the first ones, on which the loss is computed."""
POINTS = 21
LEVELS = 14
WHOLE = 1e-4
"""The least loss that the colours tell apart, as a share of the largest."""


@dataclass(frozen=True)
class Landscape:
    """loss[b, a], the mean over some training examples without the regularizer."""

    about: str
    a: Array
    b: Array
    loss: Array

    @property
    def words(self) -> str:
        row, column = np.unravel_index(np.nanargmin(self.loss), self.loss.shape)
        lowest, centre = self.loss[row, column], self.loss[len(self.b) // 2, len(self.a) // 2]
        return (
            f"loss {centre:.4g} at the parameters; on the plane from {lowest:.4g}, at "
            f"a = {self.a[column]:.2g} and b = {self.b[row]:.2g}, to {np.nanmax(self.loss):.4g}"
        )


def compute(subject: Subject, points: int = POINTS, examples: int = EXAMPLES) -> Landscape:
    """Compute the loss at points x points places around the parameters of the best epoch.

    Raises      DoesNotApply before the first epoch is finished.
    """
    few, program = subject.dataset.train.first(examples), subject.program
    seed = subject.recipe.training.seed
    theta = program.parameters()
    model = program.description.model
    u, v = (filter_normalised(model, theta, stream(seed, "landscape", k)) for k in range(2))
    line = np.linspace(-1, 1, points)
    about = f"{subject.about_best}; the loss is the mean of {len(few)} training examples"
    return Landscape(about, line, line, surface(program, few, theta, u, v, line, line))


def filter_normalised(model: Sequential, theta: Parameters, random: Generator) -> dict[str, Array]:
    """A random direction with ‖u[unit]‖ = ‖θ[unit]‖ for the weights of each unit.

    A unit is one place on the axis "out", or on the last one: a column of a dense layer's W, a
    filter of a convolution's.
    """
    direction = {name: np.zeros(value.shape) for name, value in theta.items()}
    for layer in model.layers:
        for symbol in layer.weights:
            name = f"{layer.name}.{symbol}"
            drawn = random.standard_normal(theta[name].shape)
            axes = layer.axes[symbol]
            unit = axes.index("out") if "out" in axes else len(axes) - 1
            others = tuple(axis for axis in range(drawn.ndim) if axis != unit)
            lengths = [
                np.sqrt((w**2).sum(axis=others, keepdims=True)) for w in (theta[name], drawn)
            ]
            direction[name] = drawn * (lengths[0] / lengths[1])
    return direction


def surface(
    program: Program,
    split: Split,
    theta: Parameters,
    u: Parameters,
    v: Parameters,
    a: Array,
    b: Array,
) -> Array:
    """L(θ + a u + b v) of these examples for all a and b; the program keeps its own parameters.

    Shapes      a[columns], b[rows] -> loss[rows, columns]; NaN where it is not a finite number
    """
    before = program.parameters()
    loss = np.empty((len(b), len(a)))
    try:
        for row, column in np.ndindex(loss.shape):
            program.set_parameters(
                {
                    name: (w + a[column] * u[name] + b[row] * v[name]).astype(before[name].dtype)
                    for name, w in theta.items()
                }
            )
            with np.errstate(over="ignore", invalid="ignore"):
                loss[row, column] = program.evaluate(split.inputs, split.targets).loss
    finally:
        program.set_parameters(before)
    loss[~np.isfinite(loss)] = np.nan
    return loss


@styled
def draw(view: Landscape) -> Figure:
    headline = "The loss around the trained parameters, on a random plane"
    page = figure(6.0, headline, f"{view.about}\n{view.words}")
    axes = page.subplots()
    contours(axes, view.a, view.b, view.loss)
    axes.plot(0, 0, "+", color="white", ms=12, mew=2)
    label(axes, "the parameters", (0, 0))
    axes.set_xlabel("a: steps along the first direction, each as long as a unit's own weights")
    axes.set_ylabel("b: along the second")
    return page


def contours(axes: Axes, a: Array, b: Array, loss: Array) -> QuadContourSet:
    """The surface in colours and lines of equal loss, at equal distances of its logarithm."""
    from matplotlib.colors import LogNorm

    high = float(np.nanmax(loss)) or 1.0
    shown = np.ma.masked_invalid(np.maximum(loss, WHOLE * high))
    low = min(float(shown.min()), high * 0.999)
    levels = np.geomspace(low, high, LEVELS)
    levels[-1] *= 1 + 1e-9  # the last colour holds the largest loss
    filled = axes.contourf(a, b, shown, levels, norm=LogNorm(low, high), cmap="viridis")
    lines = axes.contour(a, b, shown, levels[1:-1], colors="white", linewidths=0.6)
    axes.clabel(lines, levels[1:-1:2], fmt="%.3g", fontsize=7)
    axes.grid(visible=False)
    axes.set_aspect("equal", adjustable="box")
    bar = axes.figure.colorbar(filled, ax=axes, label="loss (log)", format="%.3g", pad=0.02)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return filled


def label(axes: Axes, text: str, place: tuple[float, float]) -> None:
    """A word beside a point, readable on any colour."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    axes.annotate(text, place, (7, 7), textcoords="offset points", bbox=box)
