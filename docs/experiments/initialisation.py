"""How the first weights decide what a sigmoid unit can learn from.

Prints the standard deviation of z in the first hidden layer for two starts, beside the formula, and
the accuracy on test digits over the first steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, BinaryCrossEntropyWithLogits, Dense, engines
from byhand.initializers import NormalFanIn, StandardNormal
from byhand.models import mlp
from byhand.views.style import BLUE, ORANGE

STARTS = {"N(0, 1)": StandardNormal(), "N(0, 1/n)": NormalFanIn()}
UNITS, IMAGES = 1000, 200
EXAMPLES, TESTS, STEPS, EVERY, SEEDS, RATE = 10_000, 1000, 2000, 100, 3, 0.1


@dataclass(frozen=True)
class Findings:
    """By start: z for inputs of which half are 1, z for real digits, accuracy[seed, look]."""

    half_on: dict[str, np.ndarray]
    real: dict[str, np.ndarray]
    expected: dict[str, tuple[float, float]]
    accuracy: dict[str, np.ndarray]


def weighted_inputs(start: str, x: np.ndarray) -> np.ndarray:
    """z of many units at the start; biases are N(0, 1), as in Nielsen's code."""
    layer = Dense(x.shape[1], UNITS, weights=STARTS[start], biases=StandardNormal())
    z, _ = layer.initialize(np.random.default_rng(0)).forward(x)
    return z


def learning_curve(start: str, seed: int) -> list[float]:
    train, test = digits(EXAMPLES, TESTS)
    model = mlp([784, 30, 10], weights=STARTS[start], biases=StandardNormal())
    program = engines.compile(
        model.initialize(seed, np.float32), BinaryCrossEntropyWithLogits(), SGD(RATE)
    )
    return [
        program.evaluate(test.inputs, test.targets).accuracy
        for _ in learn(program, train, 10, seed, STEPS, EVERY)
    ]


def measure() -> Findings:
    half = np.zeros((1, 784))
    half[:, ::2] = 1
    real = digits(IMAGES)[0].inputs.reshape(IMAGES, -1).astype(np.float64)
    # Var z = Σᵢ xᵢ² Var w + Var b, with Var w = 1 or 1/784.
    lengths = ((half**2).sum(), (real**2).sum(axis=1).mean())
    scales = {"N(0, 1)": 1, "N(0, 1/n)": 784}
    return Findings(
        {start: weighted_inputs(start, half) for start in STARTS},
        {start: weighted_inputs(start, real) for start in STARTS},
        {start: tuple(np.sqrt(x / n + 1) for x in lengths) for start, n in scales.items()},
        {start: np.array([learning_curve(start, s) for s in range(SEEDS)]) for start in STARTS},
    )


def report(found: Findings) -> list[str]:
    lines = ["standard deviation of z      half of 784 inputs on      200 real digits"]
    for start in STARTS:
        half, real = found.expected[start]
        lines.append(
            f"{start:12}      {found.half_on[start].std():10.2f} (formula {half:5.2f})"
            f"{found.real[start].std():11.2f} (formula {real:5.2f})"
        )
    steps = (0, 200, 500, 1000, 2000)
    lines += ["", "accuracy in % after step" + "".join(f"{s:8}" for s in steps)]
    for start, accuracy in found.accuracy.items():
        row = "".join(f"{100 * accuracy[:, s // EVERY].mean():8.1f}" for s in steps)
        lines.append(f"{start:24}{row}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(-35, 35, 71)
    steps = np.arange(0, STEPS + 1, EVERY)
    left.axvspan(-3, 3, color="black", alpha=0.08, linewidth=0)
    for start, colour in zip(STARTS, (ORANGE, BLUE), strict=True):
        z = found.real[start].ravel()
        left.hist(z, bins, density=True, histtype="step", color=colour, linewidth=1.6, label=start)
        accuracy = 100 * found.accuracy[start]
        right.plot(steps, accuracy.T, color=colour, alpha=0.3, linewidth=1)
        right.plot(steps, accuracy.mean(axis=0), color=colour, label=start)
    left.annotate("σ can\nlearn here", (0, 0.43), ha="center", va="top", fontsize=8)
    left.set(xlabel="z in the first hidden layer", ylabel="density", ylim=(0, 0.45))
    left.set_title("Where the units start")
    left.legend(title="weights from")
    right.set(xlabel="step (ten digits each)", ylabel="test accuracy, %", ylim=(0, 100))
    right.set_title("How they learn")
    right.legend(title="weights from", loc="lower right")
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("initialisation", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
