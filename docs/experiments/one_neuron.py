"""One sigmoid neuron learns to answer 0 to the input 1, from a good start and from a bad one.

Prints the output after 0, 100, 200 and 300 epochs for the quadratic cost and for cross-entropy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand import BinaryCrossEntropyWithLogits, Dense, QuadraticCost, Sequential, Sigmoid
from byhand.layers.sigmoid import sigmoid
from byhand.views.style import BLUE, ORANGE

X, TARGET = np.array([[1.0]]), np.array([[0.0]])
STARTS = {"good start, w = 0.6, b = 0.9": (0.6, 0.9), "bad start, w = b = 2": (2.0, 2.0)}
COSTS = ("quadratic", "cross-entropy")
RATE, EPOCHS = 0.15, 300


def outputs(cost: str, w: float, b: float) -> np.ndarray:
    """The neuron's output before each epoch and after the last."""
    dense = Dense(1, 1, name="neuron")
    dense.W, dense.b = np.array([[w]]), np.array([b])
    if cost == "quadratic":
        model, loss = Sequential(dense, Sigmoid()), QuadraticCost()
    else:  # the sigmoid is part of this loss
        model, loss = Sequential(dense), BinaryCrossEntropyWithLogits()
    curve = []
    for _ in range(EPOCHS + 1):
        y, caches = model.forward(X)
        curve.append(loss.probabilities(y).item())
        _, cache = loss.forward(y, TARGET)
        _, gradients = model.backward(loss.backward(cache), caches)
        dense.W = dense.W - RATE * gradients["neuron.W"]
        dense.b = dense.b - RATE * gradients["neuron.b"]
    return np.array(curve)


def measure() -> dict[str, dict[str, np.ndarray]]:
    """cost -> start -> output at each epoch."""
    return {cost: {start: outputs(cost, *wb) for start, wb in STARTS.items()} for cost in COSTS}


def report(curves: dict[str, dict[str, np.ndarray]]) -> list[str]:
    lines = ["output after epoch                              0    100    200    300"]
    for cost, starts in curves.items():
        for start, a in starts.items():
            row = "".join(f"{a[epoch]:7.2f}" for epoch in (0, 100, 200, 300))
            lines.append(f"{cost:15}{start:30}{row[1:]}")
    return lines


def draw(curves: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(8.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for cost, colour in zip(COSTS, (ORANGE, BLUE), strict=True):
        for (start, a), line in zip(curves[cost].items(), ("--", "-"), strict=True):
            left.plot(a, line, color=colour, label=f"{cost}, {start.split(',')[0]}")
    left.set(xlabel="epoch", ylabel="output a (wanted: 0)", ylim=(0, 1))
    left.set_title("What the neuron answers")
    left.legend(fontsize=8)
    z = np.linspace(-6, 6, 241)
    a = sigmoid(z)
    right.plot(z, a * a * (1 - a), color=ORANGE, label="quadratic: (a − t) σ′(z)")
    right.plot(z, a, color=BLUE, label="cross-entropy: a − t")
    right.axvline(4, color="black", linewidth=0.8, linestyle=":")
    right.annotate("bad start", (4, 0.5), rotation=90, ha="right", va="center", fontsize=8)
    right.set(xlabel="z = w x + b", ylabel="∂L/∂z, for t = 0")
    right.set_title("What it is told to change")
    right.legend(fontsize=8, loc="upper left")
    return figure


def main(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    curves = measure()
    publish("one_neuron", lambda: draw(curves), report(curves), folder)
    return curves


if __name__ == "__main__":
    main(output_folder())
