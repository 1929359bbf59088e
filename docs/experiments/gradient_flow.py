"""Gradient norms layer by layer and step by step, in networks of ten hidden layers of 50 units.

Three activations, each from three starts: one start that lets the gradient vanish, one that lets it
explode, and between them what each activation was given its initialisation for. Prints how the
gradient changes over the ten layers at the first step, how many units pass hardly any of it on, the
size of the first layer's updates, and what was learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _shared import digits, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, SoftmaxCrossEntropy, engines
from byhand.data import Dataset
from byhand.errors import TrainingError
from byhand.initializers import He, NormalFanIn, StandardNormal
from byhand.models import mlp
from byhand.training import Trainer
from byhand.views.gradient_flow import GradientFlow, flow_of, layers_by_steps, logarithms

STARTS = {"N(0, 1/n)": NormalFanIn(), "N(0, 2/n)": He(), "N(0, 1)": StandardNormal()}
ACTIVATIONS = ("sigmoid", "tanh", "relu")
HIDDEN, EXAMPLES, BATCH, RATE = 10, 4000, 20, 0.03
COLOURS = {"vmin": -5, "vmax": 3}  # log10 of the gradient norm


@dataclass(frozen=True)
class Findings:
    """By (activation, start): the flow, and the accuracy on the training digits after training,
    None where the loss did not stay a number."""

    flows: dict[tuple[str, str], GradientFlow]
    accuracy: dict[tuple[str, str], float | None]


class Rows(list[dict[str, Any]]):
    """A listener that keeps what is measured at each step."""

    def row(self, row: dict[str, Any]) -> None:
        if row["kind"] == "step":
            self.append(row)

    def start(self, trainer: Trainer) -> None: ...

    def progress(self, trainer: Trainer) -> None: ...

    def end(self) -> None: ...


def train(activation: str, start: str) -> tuple[GradientFlow, float | None]:
    """One pass over the digits, every step of which is looked at."""
    sizes = [784] + HIDDEN * [50] + [10]
    model = mlp(sizes, activation=activation, weights=STARTS[start]).initialize(0, np.float32)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(RATE))
    split, test = digits(EXAMPLES, 100)
    rows = Rows()
    data = Dataset("digits", split, test, test, ())
    trainer = Trainer(program, data, epochs=1, batch_size=BATCH, listeners=(rows,))
    trainer.log_every = 1
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trainer.fit()
    except TrainingError:
        return flow_of(rows, start), None
    return flow_of(rows, start), program.evaluate(split.inputs, split.targets).accuracy


def measure() -> Findings:
    flows, accuracy = {}, {}
    for activation in ACTIVATIONS:
        for start in STARTS:
            key = activation, start
            flows[key], accuracy[key] = train(activation, start)
    return Findings(flows, accuracy)


def report(found: Findings) -> list[str]:
    lines = [
        "                   gradient norm at step 1    idle units, %   ‖Δw‖/‖w‖ of     accuracy, %",
        "activation start     hidden1      hidden10    first   last    hidden1, last",
    ]
    for (activation, start), flow in found.flows.items():
        first, last = (100 * np.mean([share[k] for share in flow.idle.values()]) for k in (0, -1))
        norms = flow.norms["hidden1"][0], flow.norms[f"hidden{HIDDEN}"][0]
        accuracy = found.accuracy[activation, start]
        steps = len(flow.steps)
        end = f"none after step {steps}" if accuracy is None else f"{100 * accuracy:.1f}"
        lines.append(
            f"{activation:10} {start:9}{norms[0]:9.1e}{norms[1]:14.1e}{first:10.0f}{last:7.0f}"
            f"{flow.ratios['hidden1'][-1]:14.0e}  {end:>14}"
        )
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 7.6), layout="constrained")
    cells = figure.subplots(len(ACTIVATIONS), len(STARTS), sharex=True, sharey=True)
    steps = max(len(flow.steps) for flow in found.flows.values())
    for axes, ((activation, start), flow) in zip(cells.flat, found.flows.items(), strict=True):
        image = layers_by_steps(axes, flow.steps, logarithms(flow.norms), **COLOURS)
        accuracy = found.accuracy[activation, start]
        axes.set_title(f"{activation}, {start}: " + accuracy_in_words(accuracy))
        if accuracy is None:  # its few steps fill the panel
            image.set_extent((0.5, steps + 0.5, *image.get_extent()[2:]))
            low, high = (f([norms[0] for norms in flow.norms.values()]) for f in (min, max))
            text = f"step 1: {low:.0e} to {high:.0e};\nno number after step {len(flow.steps)}"
            axes.text(steps / 2, HIDDEN / 2, text, ha="center", va="center")
        axes.set_xlim(0.5, steps + 0.5)
        axes.tick_params(axis="y", labelsize=7, length=0)
    for axes in cells[-1]:
        axes.set_xlabel("step (20 digits each)")
    bar = figure.colorbar(
        image,
        ax=cells,
        location="bottom",
        extend="both",
        shrink=0.5,
        aspect=40,
        label="log10 of the gradient norm ‖∂L/∂(W, b)‖",
    )
    bar.outline.set_visible(False)
    return figure


def accuracy_in_words(accuracy: float | None) -> str:
    return "fails" if accuracy is None else f"{100 * accuracy:.0f} %"


def main(folder: Path) -> Findings:
    found = measure()
    publish("gradient_flow", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
