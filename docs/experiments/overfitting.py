"""A network of 40,000 parameters learns 1,000 digits by heart, with and without a remedy.

Prints accuracy and loss on training and test digits after 50 epochs, as mean ± standard deviation
over seeds, from the book's first start, N(0, 1), and from N(0, 1/n). The strengths of the remedies
were chosen on validation digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import L1, L2, SGD, BinaryCrossEntropyWithLogits, engines
from byhand.initializers import NormalFanIn, StandardNormal
from byhand.models import mlp
from byhand.views.style import SPLITS

REMEDIES = {
    "none": {},
    "L2, λ = 1": {"regularizer": L2(1.0)},
    "L1, λ = 0.3": {"regularizer": L1(0.3)},
    "dropout, 0.2": {"dropout": 0.2},
}
STARTS = {"N(0, 1)": StandardNormal(), "N(0, 1/n)": NormalFanIn()}
EXAMPLES, TESTS, STEPS, EVERY, SEEDS, RATE = 1000, 2500, 2000, 200, 3, 1.0
BATCH = 25
MEASURES = ("training accuracy", "test accuracy", "training loss", "test loss")


@dataclass(frozen=True)
class Findings:
    """start -> remedy -> value[seed, look, measure]."""

    curves: dict[str, dict[str, np.ndarray]]


def curve(start: str, remedy: str, seed: int) -> list[tuple[float, ...]]:
    """The four MEASURES before training and after every EVERY steps."""
    train, test = digits(EXAMPLES, TESTS)
    options = REMEDIES[remedy]
    share = options.get("dropout", 0.0)
    model = mlp(
        [784, 50, 10],
        dropout=share,
        input_dropout=share,
        weights=STARTS[start],
        biases=StandardNormal(),
    ).initialize(seed, np.float32)
    program = engines.compile(
        model,
        BinaryCrossEntropyWithLogits(),
        SGD(RATE),
        regularizer=options.get("regularizer"),
        examples=len(train),
        seed=seed,
    )
    looks = []
    for _ in learn(program, train, BATCH, seed, STEPS, EVERY):
        known = program.evaluate(train.inputs, train.targets)
        new = program.evaluate(test.inputs, test.targets)
        looks.append((known.accuracy, new.accuracy, known.loss, new.loss))
    return looks


def measure(seeds: int = SEEDS) -> Findings:
    return Findings(
        {
            start: {
                remedy: np.array([curve(start, remedy, seed) for seed in range(seeds)])
                for remedy in REMEDIES
            }
            for start in STARTS
        }
    )


def report(found: Findings) -> list[str]:
    lines = ["after 50 epochs          accuracy in %            loss (without the penalty)"]
    lines += ["weights from, remedy     training    test         training    test"]
    for start, remedies in found.curves.items():
        for remedy, values in remedies.items():
            last = values[:, -1]
            mean, sd = last.mean(axis=0), last.std(axis=0, ddof=1 if len(last) > 1 else 0)
            lines.append(
                f"{start:11}{remedy:14}{100 * mean[0]:5.1f}{100 * mean[1]:11.1f} ± "
                f"{100 * sd[1]:.1f}{mean[2]:11.3f}{mean[3]:12.3f} ± {sd[3]:.3f}"
            )
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 5.4), layout="constrained")
    panels = figure.subplots(2, 4, sharex=True, sharey="row")
    epochs = np.arange(EVERY, STEPS + 1, EVERY) * BATCH / EXAMPLES
    for column, (remedy, values) in zip(panels.T, found.curves["N(0, 1)"].items(), strict=True):
        looks = values[:, 1:].mean(axis=0) * (100, 100, 1, 1)
        for axes, (known, new) in zip(column, ((0, 1), (2, 3)), strict=True):
            axes.fill_between(epochs, looks[:, known], looks[:, new], color="black", alpha=0.07)
            axes.plot(epochs, looks[:, known], color=SPLITS["training"], label="training")
            axes.plot(epochs, looks[:, new], color=SPLITS["test"], label="test")
        column[0].set_title(remedy if remedy != "none" else "no remedy")
        column[1].set_xlabel("epoch")
    panels[0, 0].set(ylabel="accuracy, %", xlim=0, ylim=(70, 101))
    panels[1, 0].set(ylabel="loss", ylim=(0, 1.5))
    panels[0, 0].legend(loc="lower right")
    return figure


def main(folder: Path, seeds: int = SEEDS) -> Findings:
    found = measure(seeds)
    publish("overfitting", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
