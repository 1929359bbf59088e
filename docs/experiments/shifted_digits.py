"""Digits that are moved by a few pixels, shown to a dense and to a convolutional network.

Prints the accuracy on test digits moved by 0 to 4 pixels, up, down, left and right, as mean ±
standard deviation over seeds: of networks trained on 2,000 digits where they are, and of the same
trained on those and their shifts by one pixel, for as many steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import Momentum, Sequential, SoftmaxCrossEntropy, engines
from byhand.data import with_shifts
from byhand.data.augment import shifted
from byhand.engines import Program
from byhand.initializers import He
from byhand.models import cnn, mlp
from byhand.views.style import BLUE, ORANGE

EXAMPLES, TESTS, STEPS, BATCH, RATE, SEEDS = 2000, 500, 1000, 20, 0.02, 3
FURTHEST = 4
TRAINED_ON = ("digits in place", "and their shifts by 1")
COLOURS = {"dense": BLUE, "convolutional": ORANGE}


@dataclass(frozen=True)
class Findings:
    """By network: its number of parameters; by network and TRAINED_ON: accuracy[seed, pixels]."""

    parameters: dict[str, int]
    accuracy: dict[str, dict[str, np.ndarray]]


def network(kind: str, seed: int) -> Sequential:
    if kind == "dense":
        model = mlp([784, 100, 10], activation="relu", weights=He())
    else:
        model = cnn([8, 16], [], 10, weights=He())
    return model.initialize(seed, np.float32)


def trained(kind: str, on: str, seed: int) -> Program:
    train, _ = digits(EXAMPLES, TESTS)
    split = train if on == TRAINED_ON[0] else with_shifts(train)
    program = engines.compile(
        network(kind, seed),
        SoftmaxCrossEntropy(),
        Momentum(RATE),
        examples=len(split),
        seed=seed,
    )
    for _ in learn(program, split, BATCH, seed, STEPS, STEPS):
        pass
    return program


def accuracy(program: Program, pixels: int) -> float:
    """On the test digits moved by so many pixels, the mean over the four ways."""
    _, test = digits(EXAMPLES, TESTS)
    ways = [(-pixels, 0), (pixels, 0), (0, -pixels), (0, pixels)][: 4 if pixels else 1]
    moved = [program.evaluate(shifted(test.inputs, *way), test.targets) for way in ways]
    return float(np.mean([found.accuracy for found in moved]))


def measure(seeds: int = SEEDS) -> Findings:
    found = Findings({}, {kind: {} for kind in COLOURS})
    for kind in COLOURS:
        found.parameters[kind] = sum(w.size for w in network(kind, 0).parameters.values())
        for on in TRAINED_ON:
            programs = [trained(kind, on, seed) for seed in range(seeds)]
            distances = range(FURTHEST + 1)
            found.accuracy[kind][on] = np.array(
                [[accuracy(program, pixels) for pixels in distances] for program in programs]
            )
    return found


def report(found: Findings) -> list[str]:
    lines = ["accuracy in % on test digits moved by so many pixels"]
    lines += ["network, trained on 2,000 " + "".join(f"{k:12}" for k in range(FURTHEST + 1))]
    for kind, accuracies in found.accuracy.items():
        lines.append(f"{kind}, {found.parameters[kind]:,} parameters")
        for on, values in accuracies.items():
            mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
            row = "".join(f"{100 * m:6.1f} ± {100 * s:3.1f}" for m, s in zip(mean, sd, strict=True))
            lines.append(f"  {on:24}{row}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for kind, accuracies in found.accuracy.items():
        for (on, values), line in zip(accuracies.items(), ("-", "--"), strict=True):
            mean, spread = 100 * values.mean(axis=0), 100 * values.std(axis=0)
            style = {"color": COLOURS[kind], "linestyle": line, "marker": "o", "markersize": 4}
            label = f"{kind}, {on}"
            axes.errorbar(range(FURTHEST + 1), mean, spread, label=label, capsize=2, **style)
    axes.set(
        xlabel="test digits moved by so many pixels",
        ylabel="accuracy, %",
        xticks=range(FURTHEST + 1),
        ylim=(0, 101),
    )
    axes.legend(title="network, trained on", loc="lower left", handlelength=4)
    return figure


def main(folder: Path, seeds: int = SEEDS) -> Findings:
    found = measure(seeds)
    publish("shifted_digits", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
