"""How large signals and gradients are on their way through ten layers of 200 ReLU units.

Prints the root mean square of the activations after layers 1, 5 and 10, and of the gradient that
arrives back at layer 1, each as a ratio to where it set out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand import Dense, ReLU
from byhand.initializers import Glorot, He, Orthogonal, StandardNormal
from byhand.views.style import BLUE, GREEN, ORANGE, RED

WIDTH, DEPTH, BATCH = 200, 10, 500
STARTS = {
    "N(0, 1)": StandardNormal(),
    "Glorot": Glorot(),
    "He": He(),
    "orthogonal": Orthogonal(),
}


@dataclass(frozen=True)
class Findings:
    """By start: rms of the activations (0 is the input) and of their gradients, per layer."""

    forward: dict[str, np.ndarray]
    backward: dict[str, np.ndarray]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x * x)))


def through(start: str) -> tuple[list[float], list[float]]:
    """Random numbers down through the layers, other random numbers back up as gradient."""
    rng = np.random.default_rng(0)
    layers = [Dense(WIDTH, WIDTH, weights=STARTS[start]).initialize(rng) for _ in range(DEPTH)]
    x, dx = rng.standard_normal((2, BATCH, WIDTH))
    caches, down, up = [], [rms(x)], [rms(dx)]
    for dense in layers:
        z, dense_cache = dense.forward(x)
        x, relu_cache = ReLU().forward(z)
        caches.append((dense, dense_cache, relu_cache))
        down.append(rms(x))
    for dense, dense_cache, relu_cache in reversed(caches):
        dz, _ = ReLU().backward(dx, relu_cache)
        dx, _ = dense.backward(dz, dense_cache)
        up.append(rms(dx))
    return down, up[::-1]


def measure() -> Findings:
    found = {start: through(start) for start in STARTS}
    return Findings(
        {start: np.array(down) for start, (down, _) in found.items()},
        {start: np.array(up) for start, (_, up) in found.items()},
    )


def report(found: Findings) -> list[str]:
    lines = ["relative size of          activations after layer          gradient back at"]
    lines += ["weights from              1          5         10          the input"]
    for start in STARTS:
        down, up = found.forward[start], found.backward[start]
        row = "".join(f"{down[k] / down[0]:11.2g}" for k in (1, 5, 10))
        lines.append(f"{start:16}{row}{up[0] / up[-1]:19.2g}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    sides = (found.forward, found.backward)
    looks = [(RED, "-", 1.6), (ORANGE, "-", 5), (BLUE, "-", 1.6), (GREEN, "--", 1.6)]
    for axes, side in zip(panels, sides, strict=True):
        for (start, size), (colour, line, width) in zip(side.items(), looks, strict=True):
            axes.semilogy(size, line, color=colour, linewidth=width, label=start)
        axes.set(xlabel="layer (0 is the input)", xticks=range(0, DEPTH + 1, 2))
    panels[0].set_ylabel("root mean square")
    panels[0].set_title("Activations, going down")
    panels[1].set_title("Gradients, coming back")
    panels[0].legend(title="weights from")
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("signal_variance", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
