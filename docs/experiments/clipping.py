"""A gradient that explodes, what it does to a step, and what clipping does about it.

First a single unit, hₜ = tanh(w hₜ₋₁ + b) over 50 steps: its loss as a function of w has a cliff.
Gradient descent walks towards it, with clipping and without. Then a plain RNN on Shakespeare, from
a start at which gradients explode and from one at which they do not. Prints the length of the
gradient and the loss over training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from _through_time import ENGINE, Scaled, shakespeare
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import RNN, SGD, Dense, Sequential, SoftmaxCrossEntropy, engines
from byhand.clipping import ClipByGlobalNorm, global_norm
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers import OneHot
from byhand.randomness import batch_order
from byhand.views.style import BLACK, BLUE, ORANGE

UNIT_STEPS, BIAS, FIRST, TARGET, UNIT_RATE, WALK, UNIT_LIMIT = 50, -0.1, 0.5, -1.0, 0.25, 60, 0.2
STARTS: dict[str, Initializer] = {"N(0, 1/n)": NormalFanIn(), "N(0, 4/n)": Scaled(g=2.0)}
LIMITS = {"as it is": None, "clipped at 1": 1.0}
COLOURS = {"as it is": ORANGE, "clipped at 1": BLUE}
HIDDEN, TIME, BATCH, RATE = 64, 50, 32, 1.0


@dataclass(frozen=True)
class Findings:
    """walk: limit -> the weights that descent comes through; norms and losses: (start, limit) ->
    of each training step."""

    walk: dict[str, list[float]]
    norms: dict[tuple[str, str], np.ndarray]
    losses: dict[tuple[str, str], np.ndarray]


def unit(w: float) -> tuple[float, float]:
    """The loss ½ (h_T − target)² of one unit, and dw, derived forward: dhₜ/dw from dhₜ₋₁/dw."""
    h, slope = FIRST, 0.0
    for _ in range(UNIT_STEPS):
        new = np.tanh(w * h + BIAS)
        h, slope = new, (1 - new**2) * (h + w * slope)
    return 0.5 * (h - TARGET) ** 2, (h - TARGET) * slope


def walk(limit: float | None) -> list[float]:
    """Gradient descent on the unit's weight."""
    w = [0.6]
    for _ in range(WALK):
        _, dw = unit(w[-1])
        if limit is not None and abs(dw) > limit:
            dw *= limit / abs(dw)
        w.append(w[-1] - UNIT_RATE * dw)
    return w


def training(start: str, limit: float | None, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The length of the gradient, before it is clipped, and the loss at every step."""
    text = shakespeare(TIME)
    characters = len(text.vocabulary)
    recurrent = RNN(characters, HIDDEN, recurrent_weights=STARTS[start])
    model = Sequential(OneHot(characters), recurrent, Dense(HIDDEN, characters))
    clipping = None if limit is None else ClipByGlobalNorm(limit)
    program = engines.compile(
        model.initialize(0, np.float32),
        SoftmaxCrossEntropy(),
        SGD(RATE),
        clipping=clipping,
        engine=ENGINE,
    )
    order = batch_order(0, 0, len(text.train))
    norms, losses = np.empty(steps), np.empty(steps)
    for step in range(steps):
        batch = order[step * BATCH : (step + 1) * BATCH]
        inputs, targets = text.train.inputs[batch], text.train.targets[batch]
        losses[step], gradients = program.gradients(inputs, targets)
        norms[step] = global_norm(gradients)
        program.train(inputs, targets, np.arange(BATCH), BATCH, step, [RATE])
    return norms, losses


def measure(steps: int) -> Findings:
    norms, losses = {}, {}
    for start in STARTS:
        for name, limit in LIMITS.items():
            norms[start, name], losses[start, name] = training(start, limit, steps)
    walks = {"as it is": walk(None), "clipped": walk(UNIT_LIMIT)}
    return Findings(walks, norms, losses)


def report(found: Findings) -> list[str]:
    lines = []
    for name, w in found.walk.items():
        jump = np.abs(np.diff(w)).max()
        lines.append(f"one unit, {name:9}: longest step {jump:.2f}, w at the end {w[-1]:.2f}")
    lines += [
        "",
        "                          length of the gradient        loss in nats",
        "Wh         gradient       step 1   median   largest     step 1   last 20",
    ]
    for (start, name), norms in found.norms.items():
        losses = found.losses[start, name]
        lines.append(
            f"{start:11}{name:13}{norms[0]:8.2g}{np.median(norms):9.2g}{norms.max():10.2g}"
            f"{losses[0]:11.2f}{losses[-20:].mean():10.2f}"
        )
    return lines


def cliff(axes: Axes, walks: dict[str, list[float]]) -> None:
    low = min(map(min, walks.values())) - 0.1
    w = np.linspace(low, 1.6, 1500)
    axes.plot(w, [unit(each)[0] for each in w], color=BLACK, linewidth=1)
    for (name, places), colour in zip(walks.items(), (ORANGE, BLUE), strict=True):
        loss = [unit(each)[0] for each in places]
        axes.plot(places, loss, ".-", color=colour, label=name, linewidth=0.4, markersize=6)
    axes.set(xlabel="w", ylabel="loss")
    axes.set_title("One unit over 50 steps")
    axes.legend(loc="upper left")


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    cliff(first, found.walk)
    for name, colour in COLOURS.items():
        for start, line in zip(STARTS, (":", "-"), strict=True):
            key = start, name
            steps = np.arange(1, len(found.norms[key]) + 1)
            label = f"{start}, {name}"
            second.plot(steps, found.norms[key], line, color=colour, linewidth=1, label=label)
            third.plot(steps, found.losses[key], line, color=colour, linewidth=1, label=label)
    second.set(xlabel="step", yscale="log")
    second.set_title("RNN: length of the gradient")
    second.minorticks_off()
    third.set(xlabel="step")
    third.set_title("RNN: loss, nats")
    figure.legend(*third.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    return figure


def main(folder: Path, steps: int = 300) -> Findings:
    found = measure(steps)
    publish("clipping", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
