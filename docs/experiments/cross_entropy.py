"""Quadratic cost and cross-entropy from a fair start and from a saturated one, on real digits.

The saturated start differs in one thing: every output bias is 6, so that all ten outputs say "yes"
to every digit. Prints the accuracy on test digits over the first steps, as mean over seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, BinaryCrossEntropyWithLogits, QuadraticCost, engines
from byhand.models import mlp
from byhand.views.style import BLUE, ORANGE

COSTS = ("quadratic", "cross-entropy")
RATES = {"quadratic": 3.0, "cross-entropy": 0.5}  # Nielsen's choices for the two
STARTS = {"fair": 0.0, "saturated": 6.0}
EXAMPLES, TESTS, STEPS, EVERY, SEEDS = 5000, 1000, 500, 10, 3


def curve(cost: str, bias: float, seed: int) -> list[float]:
    """Test accuracy before training and after every EVERY steps of ten digits."""
    train, test = digits(EXAMPLES, TESTS)
    quadratic = cost == "quadratic"
    model = mlp([784, 30, 10], output="sigmoid" if quadratic else None)
    model.initialize(seed, np.float32).parameters["output.b"][:] = bias
    loss = QuadraticCost() if quadratic else BinaryCrossEntropyWithLogits()
    program = engines.compile(model, loss, SGD(RATES[cost]))
    return [
        program.evaluate(test.inputs, test.targets).accuracy
        for _ in learn(program, train, batch_size=10, seed=seed, steps=STEPS, every=EVERY)
    ]


def measure() -> dict[str, dict[str, np.ndarray]]:
    """cost -> start -> accuracy[seed, look]."""
    return {
        cost: {
            start: np.array([curve(cost, bias, seed) for seed in range(SEEDS)])
            for start, bias in STARTS.items()
        }
        for cost in COSTS
    }


def report(curves: dict[str, dict[str, np.ndarray]]) -> list[str]:
    steps = (50, 100, 200, 300, 500)
    lines = ["test accuracy in % after step  " + "".join(f"{s:7}" for s in steps)]
    for cost, starts in curves.items():
        for start, accuracy in starts.items():
            row = "".join(f"{100 * accuracy[:, s // EVERY].mean():7.1f}" for s in steps)
            lines.append(f"{cost:15}{start + ' start':16}{row}")
    return lines


def draw(curves: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    steps = np.arange(0, STEPS + 1, EVERY)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, cost, colour in zip(panels, COSTS, (ORANGE, BLUE), strict=True):
        for (start, accuracy), line in zip(curves[cost].items(), ("--", "-"), strict=True):
            axes.plot(steps, 100 * accuracy.T, line, color=colour, alpha=0.3, linewidth=1)
            axes.plot(
                steps, 100 * accuracy.mean(axis=0), line, color=colour, label=f"{start} start"
            )
        axes.set(xlabel="step (ten digits each)", ylim=(0, 100))
        axes.set_title(f"{cost.capitalize()}, η = {RATES[cost]}")
        axes.legend(loc="lower right")
    panels[0].set_ylabel("test accuracy, %")
    return figure


def main(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    curves = measure()
    publish("cross_entropy", lambda: draw(curves), report(curves), folder)
    return curves


if __name__ == "__main__":
    main(output_folder())
