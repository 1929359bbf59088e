"""Ten layers of ReLUs that start too small or too large, with and without normalisation.

Prints the accuracy on test digits after 300 steps, as mean ± standard deviation over seeds, for
hidden layers whose weights start as He has them, times a factor: plain, with batch normalisation
and with layer normalisation before each ReLU. In the last row the hidden layers' learning rate is
that of the others times the factor's square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import (
    SGD,
    BatchNorm,
    Dense,
    Flatten,
    LayerNorm,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    engines,
)
from byhand.initializers import He, Initializer
from byhand.layers import Array, Gradients, Layer
from byhand.views.style import BLUE, GREEN, ORANGE

EXAMPLES, TESTS, STEPS, BATCH, RATE, SEEDS = 2000, 1000, 300, 50, 0.1, 3
DEPTH, WIDTH = 10, 50
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
OTHER_RATE = "layer, other rate"
NORMS: dict[str, Callable[[], list[Layer]]] = {
    "none": list,
    "batch": lambda: [BatchNorm(WIDTH)],
    "layer": lambda: [LayerNorm(WIDTH)],
    OTHER_RATE: lambda: [LayerNorm(WIDTH)],
}


@dataclass(frozen=True)
class Times(Initializer):
    """He's weights times a factor."""

    factor: float

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        return self.factor * He().sample(rng, shape, fan_in, fan_out)


class LongerSteps(Dense):
    """A gradient times `longer` is a learning rate times `longer`, for this layer alone."""

    longer = 1.0

    def backward(self, dz: Array, x: Array) -> tuple[Array, Gradients]:
        dx, gradients = super().backward(dz, x)
        return dx, {symbol: self.longer * gradient for symbol, gradient in gradients.items()}


@dataclass(frozen=True)
class Findings:
    """By normalisation: test accuracy[factor, seed]."""

    accuracy: dict[str, np.ndarray]


def network(norm: str, factor: float) -> Sequential:
    layers: list[Layer] = [Flatten()]
    for k in range(DEPTH):
        dense = LongerSteps(WIDTH if k else 784, WIDTH, weights=Times(factor))
        if norm == OTHER_RATE:
            dense.longer = factor**2
        layers += [dense, *NORMS[norm](), ReLU()]
    return Sequential(*layers, Dense(WIDTH, 10, weights=He()))


def accuracy(norm: str, factor: float, seed: int) -> float:
    train, test = digits(EXAMPLES, TESTS)
    program = engines.compile(
        network(norm, factor).initialize(seed, np.float32),
        SoftmaxCrossEntropy(),
        SGD(RATE),
        examples=len(train),
        seed=seed,
    )
    for _ in learn(program, train, BATCH, seed, STEPS, STEPS):
        pass
    return float(program.evaluate(test.inputs, test.targets).accuracy or 0)


def measure(seeds: int = SEEDS) -> Findings:
    return Findings(
        {
            norm: np.array([[accuracy(norm, f, seed) for seed in range(seeds)] for f in FACTORS])
            for norm in NORMS
        }
    )


def report(found: Findings) -> list[str]:
    lines = ["test accuracy in % after 300 steps, weights from He times"]
    lines += ["normalisation      " + "".join(f"{factor:12g}" for factor in FACTORS)]
    for norm, values in found.accuracy.items():
        mean, sd = values.mean(axis=1), values.std(axis=1, ddof=1 if values.shape[1] > 1 else 0)
        row = "".join(f"{100 * m:7.1f} ± {100 * s:2.0f}" for m, s in zip(mean, sd, strict=True))
        lines.append(f"{norm:19}{row}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axes = figure.subplots()
    looks = ((BLUE, "o", "-"), (ORANGE, "s", "-"), (GREEN, "^", "-"), (GREEN, "^", "--"))

    for (norm, values), look in zip(found.accuracy.items(), looks, strict=True):
        colour, marker, line = look
        style = {"color": colour, "marker": marker, "linestyle": line, "markersize": 5}
        mean, spread = 100 * values.mean(axis=1), 100 * values.std(axis=1)
        axes.errorbar(FACTORS, mean, spread, label=norm, capsize=2, **style)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="weights start from He's, times", ylabel="test accuracy, %", ylim=(0, 100))
    axes.set_xticks(FACTORS)
    figure.legend(title="normalisation", loc="outside right center", handlelength=4)
    return figure


def main(folder: Path, seeds: int = SEEDS) -> Findings:
    found = measure(seeds)
    publish("normalisation", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
