"""How far back the gradient of one answer reaches in RNN, GRU and LSTM, and what the LSTM's forget
bias does.

As in forgetting.py: a character of Shakespeare is to be guessed from the 100 before it, and the
gradient of that one answer is followed back through the steps, before training and after. Prints
what is left of it, how open the gates are that keep the old, what slope the memory is read with,
and the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from _through_time import network, shakespeare, trained, typical, way_back
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import GRU, LSTM, RNN, Sequential, SoftmaxCrossEntropy
from byhand.layers.recurrent import RecurrentLayer
from byhand.views.style import BLUE, GREEN, GREY, ORANGE, RED

LAYERS: dict[str, Callable[[int, int], RecurrentLayer]] = {
    "RNN": RNN,
    "GRU": GRU,
    "LSTM, forget bias 0": lambda n_in, hidden: LSTM(n_in, hidden, forget_bias=0),
    "LSTM, forget bias 1": LSTM,
    "LSTM, forget bias 3": lambda n_in, hidden: LSTM(n_in, hidden, forget_bias=3),
}
COLOURS = dict(zip(LAYERS, (BLUE, GREEN, GREY, ORANGE, RED), strict=True))
WHEN = ("at the start", "after training")
HIDDEN, TIME, EXAMPLES, BATCH, RATE = 64, 100, 200, 32, 0.003


@dataclass(frozen=True)
class Way:
    """What is left of the gradient after 0, 1, … steps back; the mean of the gates that keep the
    old (None without gates); that of the slope 1 − tanh²(c) (None without c); the loss on
    validation text."""

    left: np.ndarray
    gate: float | None
    slope: float | None
    loss: float


def look(model: Sequential) -> Way:
    split = shakespeare(TIME).validation.first(EXAMPLES)
    scores, caches = model.forward(split.inputs)
    cross_entropy = SoftmaxCrossEntropy()
    loss, _ = cross_entropy.forward(scores, split.targets)
    left = typical(way_back(model, cross_entropy, split.inputs, split.targets))
    kept = caches[1].kept
    gate = slope = None
    if isinstance(model.layers[1], GRU):
        gate = float(np.mean([z for _, _, z, _, _ in kept]))
    elif isinstance(model.layers[1], LSTM):
        gate = float(np.mean([f for _, _, _, f, _, _, _ in kept]))
        slope = float(np.mean([1 - s**2 for *_, s in kept]))
    return Way(left, gate, slope, loss)


def measure(steps: int) -> dict[tuple[str, str], Way]:
    """By layer and when."""
    text = shakespeare(TIME)
    found = {}
    for name, make in LAYERS.items():
        model = network(make(len(text.vocabulary), HIDDEN))
        found[name, WHEN[0]] = look(model)
        found[name, WHEN[1]] = look(trained(model, text, steps, BATCH, RATE))
    return found


def report(found: dict[tuple[str, str], Way]) -> list[str]:
    lines = [
        f"{'':36}left of the gradient after    keeping  slope of  loss,",
        f"{'':36}20 steps  50 steps  90 steps  gate     tanh(c)   nats",
    ]
    for (name, when), way in found.items():
        left = "".join(f"{way.left[back]:10.0e}" for back in (20, 50, 90))
        gate, slope = ("" if x is None else f"{x:.2f}" for x in (way.gate, way.slope))
        lines.append(f"{name:21}{when:15}{left}{gate:>9}{slope:>9}{way.loss:10.2f}")
    return lines


def curves(axes: Axes, found: dict[tuple[str, str], Way], names: list[str], when: str) -> None:
    for name in names:
        axes.plot(np.arange(TIME), found[name, when].left, color=COLOURS[name], label=name)
    axes.set(yscale="log", ylim=(1e-12, 1e3))
    axes.minorticks_off()


def draw(found: dict[tuple[str, str], Way]) -> Figure:
    figure = Figure(figsize=(8.4, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    rows = {
        "Three cells": ["RNN", "GRU", "LSTM, forget bias 1"],
        "Three forget biases": [name for name in LAYERS if "LSTM" in name],
    }
    for row, (title, names) in zip(panels, rows.items(), strict=True):
        for axes, when in zip(row, WHEN, strict=True):
            curves(axes, found, names, when)
            axes.set_title(f"{title} {when}")
        row[0].set_ylabel("$\\|\\partial L_T/\\partial state_t\\|$, relative to $t = T$")
        row[0].legend(loc="lower left")
    for axes in panels[1]:
        axes.set_xlabel("steps back, $T - t$")
    return figure


def main(folder: Path, steps: int = 1500) -> dict[tuple[str, str], Way]:
    found = measure(steps)
    publish("through_gates", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
