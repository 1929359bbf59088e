"""Gradient norms by layer, in networks of 1 to 4 hidden layers of 30 units.

As Nielsen measures them in chapter 5: the norm of ∂L/∂b of each hidden layer, averaged over the
first 1,000 training digits, for the cross-entropy. Prints mean ± standard deviation over seeds
beside the book's figures, then the same for ReLU units with He's start, and the norms over
training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import SGD, BinaryCrossEntropyWithLogits, engines
from byhand.engines import Program
from byhand.initializers import He, NormalFanIn, StandardNormal, Zeros
from byhand.models import mlp
from byhand.views.style import BLACK, BLUE, GREEN, ORANGE, RED

BOOK = {2: (0.07, 0.31), 3: (0.012, 0.060, 0.283), 4: (0.003, 0.017, 0.070, 0.285)}
KINDS = {
    "sigmoid": {"activation": "sigmoid", "weights": NormalFanIn(), "biases": StandardNormal()},
    "ReLU": {"activation": "relu", "weights": He(), "biases": Zeros()},
}
EXAMPLES, SEEDS, STEPS, EVERY, RATE = 1000, 20, 2000, 50, 0.1
COLOURS = (BLUE, GREEN, ORANGE, RED)


@dataclass(frozen=True)
class Findings:
    """start: kind -> hidden layers -> norm[seed, layer]; training: kind -> norm[look, layer];
    accuracy: kind -> training accuracy at the end."""

    start: dict[str, dict[int, np.ndarray]]
    training: dict[str, np.ndarray]
    accuracy: dict[str, float]


def program_of(kind: str, hidden: int, seed: int) -> Program:
    model = mlp([784] + hidden * [30] + [10], **KINDS[kind]).initialize(seed, np.float32)
    return engines.compile(model, BinaryCrossEntropyWithLogits(), SGD(RATE))


def norms(program: Program, hidden: int) -> list[float]:
    """‖∂L/∂b‖ of each hidden layer, the first one first."""
    train, _ = digits(EXAMPLES)
    _, gradients = program.gradients(train.inputs, train.targets)
    return [float(np.linalg.norm(gradients[f"hidden{k}.b"])) for k in range(1, hidden + 1)]


def measure() -> Findings:
    start = {
        kind: {
            hidden: np.array([norms(program_of(kind, hidden, s), hidden) for s in range(SEEDS)])
            for hidden in range(1, 5)
        }
        for kind in KINDS
    }
    training, accuracy = {}, {}
    train, _ = digits(EXAMPLES)
    for kind in KINDS:
        program = program_of(kind, 4, seed=0)
        looks = learn(program, train, 10, 0, STEPS, EVERY)
        training[kind] = np.array([norms(program, 4) for _ in looks])
        accuracy[kind] = program.evaluate(train.inputs, train.targets).accuracy
    return Findings(start, training, accuracy)


def report(found: Findings) -> list[str]:
    layers = "".join(f"hidden{k}".ljust(15) for k in range(1, 5)).rstrip()
    lines = [f"at the start          {layers}"]
    for kind, depths in found.start.items():
        for hidden, values in depths.items():
            columns = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
            ours = "  ".join(f"{mean:.4f}±{sd:.4f}" for mean, sd in columns)
            lines.append(f"{kind:7} {hidden} hidden ours {ours}")
            if kind == "sigmoid" and hidden in BOOK:
                book = "".join(f"{value:<15}" for value in BOOK[hidden])
                lines.append(f"                 book {book}".rstrip())
    lines += ["", f"four hidden layers, after {STEPS} steps of ten digits"]
    for kind, norms_then in found.training.items():
        row = "".join(f"{norm:<15.4f}" for norm in norms_then[-1]).rstrip()
        lines.append(f"{kind:22}{row}")
        lines.append(f"{'':22}accuracy on the 1,000 digits: {100 * found.accuracy[kind]:.1f} %")
    return lines


def by_layer(axes: Axes, depths: dict[int, np.ndarray]) -> None:
    for (hidden, values), colour in zip(depths.items(), COLOURS, strict=True):
        axes.errorbar(
            np.arange(1, hidden + 1),
            values.mean(axis=0),
            values.std(axis=0, ddof=1),
            color=colour,
            marker="o",
            capsize=3,
            label=f"{hidden} hidden",
        )
    axes.set(yscale="log", xticks=range(1, 5), xlabel="hidden layer", ylim=(3e-5, 5))


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    looks = np.arange(0, STEPS + 1, EVERY)
    for row, kind in zip(panels, KINDS, strict=True):
        by_layer(row[0], found.start[kind])
        for layer, colour in enumerate(COLOURS):
            name = f"hidden{layer + 1}"
            row[1].plot(looks, found.training[kind][:, layer], color=colour, label=name)
        row[1].set(xlabel="step (ten digits each)")
        row[0].set(ylabel="norm of ∂L/∂b")
        row[0].set_title(f"{kind}: at the start")
        row[1].set_title(f"{kind}: four hidden layers over training")
    for axes in panels.flat:
        axes.minorticks_off()
    panels[0, 1].legend(loc="upper right", ncols=2)
    for values in BOOK.values():
        panels[0, 0].plot(np.arange(1, len(values) + 1), values, "x", color=BLACK, zorder=3)
    panels[0, 0].plot([], [], "x", color=BLACK, label="the book")
    panels[0, 0].legend(loc="lower right")
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("vanishing_gradients", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
