"""How the outputs of five tanh layers are distributed over training, from three starts.

Prints, at the first and the last look, the standard deviation of the first and the fifth layer's
outputs and the share of them near ±1, and the accuracy at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, SoftmaxCrossEntropy, engines
from byhand.initializers import Initializer, NormalFanIn, StandardNormal
from byhand.models import mlp
from byhand.training.histograms import histograms
from byhand.training.observation import PROBE, unit_health
from byhand.views.histograms import Series, over_time, series_of


@dataclass(frozen=True)
class OnceUsual(Initializer):
    """w uniform between ±1/√fan_in, so of variance 1/(3 fan_in): the start that Glorot and Bengio
    found in use and replaced."""

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        return rng.uniform(-1, 1, shape) / np.sqrt(fan_in)


STARTS = {"1/(3n)": OnceUsual(), "1/n": NormalFanIn(), "1": StandardNormal()}
EXAMPLES, BATCH, STEPS, EVERY, RATE = 4000, 20, 1000, 50, 0.03
LAYERS = ("tanh1", "tanh3", "tanh5")


@dataclass(frozen=True)
class Findings:
    """By start: layer -> series over the looks; (deviation of the first and the fifth layer's
    outputs, share of outputs near ±1) at the first and the last look; accuracy at the end."""

    series: dict[str, dict[str, Series]]
    ends: dict[str, list[tuple[float, float, float]]]
    accuracy: dict[str, float]


def measure() -> Findings:
    split, _ = digits(EXAMPLES)
    probe = split.first(PROBE).inputs
    series, ends, accuracy = {}, {}, {}
    for name, start in STARTS.items():
        sizes = [784] + 5 * [50] + [10]
        model = mlp(sizes, activation="tanh", weights=start).initialize(0, np.float32)
        program = engines.compile(model, SoftmaxCrossEntropy(), SGD(RATE))
        rows, seen = [], []
        for _ in learn(program, split, BATCH, 0, STEPS, EVERY):
            rows.append(histograms(program, probe))
            outputs = program.activations(probe)
            saturated = np.mean(list(unit_health(program, outputs)[1].values()))
            seen.append((outputs["tanh1"].std(), outputs["tanh5"].std(), saturated))
        series[name] = {one.name: one for one in series_of(rows, "activations")}
        ends[name] = [seen[0], seen[-1]]
        accuracy[name] = program.evaluate(split.inputs, split.targets).accuracy
    return Findings(series, ends, accuracy)


def report(found: Findings) -> list[str]:
    lines = [
        "variance     standard deviation at the start, at the end      near ±1, %     accuracy, %",
        "of weights            of tanh1            of tanh5           start    end",
    ]
    for name, (first, last) in found.ends.items():
        pairs = "".join(f"{first[k]:14.2f}{last[k]:6.2f}" for k in range(2))
        shares = f"{100 * first[2]:16.0f}{100 * last[2]:7.0f}"
        lines.append(f"{name:10}{pairs}{shares}{100 * found.accuracy[name]:16.1f}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 6.2), layout="constrained")
    cells = figure.subplots(len(STARTS), len(LAYERS), sharex=True)
    looks = np.arange(0, STEPS + 1, EVERY)
    for row, (start, layers) in zip(cells, found.series.items(), strict=True):
        for axes, layer in zip(row, LAYERS, strict=True):
            image = over_time(axes, looks, layers[layer])
            axes.set_ylim(-1.02, 1.02)
            axes.set_title(f"{layer}, Var w = {start}")
        row[0].set_ylabel("output")
    for axes in cells[-1]:
        axes.set_xlabel("step (20 digits each)")
    bar = figure.colorbar(
        image,
        ax=cells,
        location="bottom",
        extend="both",
        shrink=0.5,
        aspect=40,
        label="outputs in a bin, relative to the fullest bin of the panel (log)",
    )
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("distributions", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
