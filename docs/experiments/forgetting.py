"""How far back the gradient of one answer reaches in a plain RNN, from three starts.

A character of Shakespeare is to be guessed from the 100 before it. The gradient of that one answer
is followed back through the steps, before training and after: its length, and the largest singular
value of the product of all steps' Jacobians, which is the most that could be left of any gradient.
Prints both, and the factor per step beside what the variance of the weights says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from _through_time import Scaled, network, shakespeare, trained, typical, way_back
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import RNN, Sequential, SoftmaxCrossEntropy
from byhand.initializers import NormalFanIn, Orthogonal
from byhand.views.style import BLUE, GREEN, RED

STARTS = {"orthogonal": Orthogonal(), "N(0, 1/n)": NormalFanIn(), "N(0, 4/n)": Scaled(g=2.0)}
COLOURS = {"orthogonal": BLUE, "N(0, 1/n)": GREEN, "N(0, 4/n)": RED}
WHEN = ("at the start", "after training")
HIDDEN, TIME, EXAMPLES, JACOBIANS, BATCH, RATE = 64, 100, 200, 8, 32, 0.003


@dataclass(frozen=True)
class Way:
    """What is left of the gradient and the largest singular value after 0, 1, … steps back; that of
    Wh; its g, for which the mean of its squares is g²/n; the slope of tanh, √E[(1 − h²)²]."""

    left: np.ndarray
    most: np.ndarray
    of_weights: float
    g: float
    slope: float

    def per_step(self) -> float:
        """The factor per step, between the 10th and the 60th."""
        return float((self.left[60] / self.left[10]) ** (1 / 50))


def largest_singular_values(model: Sequential, ids: np.ndarray) -> np.ndarray:
    """Of ∂h_T/∂hₜ, one example after the other: [steps back, examples]."""
    _, recurrent, _ = model.layers
    _, (_, cache, _) = model.forward(ids)
    found = np.empty((TIME, len(ids)))
    for n in range(len(ids)):
        product = np.eye(HIDDEN)
        for back, step in enumerate(reversed(cache.kept)):
            found[back, n] = np.linalg.norm(product, 2)
            _, product = recurrent.step_backward(product, tuple(part[[n]] for part in step))
    return found


def look(model: Sequential) -> Way:
    split = shakespeare(TIME).validation.first(EXAMPLES)
    left = typical(way_back(model, SoftmaxCrossEntropy(), split.inputs, split.targets))
    most = np.exp(np.log(largest_singular_values(model, split.inputs[:JACOBIANS])).mean(axis=1))
    h = model.activations(split.inputs)["rnn1"]
    Wh = model.layers[1].Wh
    of_weights, g = np.linalg.norm(Wh, 2), np.linalg.norm(Wh) / np.sqrt(HIDDEN)
    slope = np.sqrt(np.mean((1 - h**2) ** 2))
    return Way(left, most, float(of_weights), float(g), float(slope))


def measure(steps: int) -> dict[tuple[str, str], Way]:
    """By start and when."""
    text = shakespeare(TIME)
    found = {}
    for start, weights in STARTS.items():
        model = network(RNN(len(text.vocabulary), HIDDEN, recurrent_weights=weights))
        found[start, WHEN[0]] = look(model)
        found[start, WHEN[1]] = look(trained(model, text, steps, BATCH, RATE))
    return found


def report(found: dict[tuple[str, str], Way]) -> list[str]:
    lines = [
        f"{'':30}σ of      g of  slope    factor per step   left of the gradient after",
        f"Wh{'':28}Wh        Wh  of tanh  g·slope  found   20 steps  50 steps  90 steps",
    ]
    for (start, when), way in found.items():
        left = "".join(f"{way.left[back]:10.0e}" for back in (20, 50, 90))
        lines.append(
            f"{start:12}{when:16}{way.of_weights:6.2f}{way.g:8.2f}{way.slope:9.2f}"
            f"{way.g * way.slope:9.2f}{way.per_step():8.2f}{left}"
        )
    return lines


def curves(axes: Axes, found: dict[tuple[str, str], Way], when: str) -> None:
    back = np.arange(TIME)
    for start, colour in COLOURS.items():
        way = found[start, when]
        axes.plot(back, way.left, color=colour, label=f"{start}: {way.per_step():.2f} per step")
        axes.plot(back, way.most, "--", color=colour, linewidth=1)
    axes.set(xlabel="steps back, $T - t$", yscale="log", ylim=(1e-15, 1e9))
    axes.set_yticks(10.0 ** np.arange(-15, 10, 3))
    axes.minorticks_off()
    axes.set_title(when.capitalize())


def draw(found: dict[tuple[str, str], Way]) -> Figure:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, when in zip(panels, WHEN, strict=True):
        curves(axes, found, when)
        axes.plot(
            [],
            [],
            "k--",
            linewidth=1,
            label="largest singular value of $\\partial h_T/\\partial h_t$",
        )
    panels[0].set_ylabel("$\\|\\partial L_T/\\partial h_t\\|$, relative to $t = T$")
    panels[0].legend(loc="lower left")
    panels[1].legend(loc="upper right")
    return figure


def main(folder: Path, steps: int = 1500) -> dict[tuple[str, str], Way]:
    found = measure(steps)
    publish("forgetting", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
