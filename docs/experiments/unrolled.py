"""A network of one recurrent unit, unrolled over four steps: what goes forward and what comes back.

hₜ = tanh(w_x xₜ + w_h hₜ₋₁), and the loss asks for the last state, L = ½ (h₄ − 1)². Prints the
states, the gradients and each step's share of ∂L/∂w_h, by hand; and the sum of the shares beside a
difference quotient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand.finite_differences import numerical_gradient
from byhand.views.style import BLUE, GREY, RED

INPUTS, W_X, W_H, TARGET = (1.0, 0.0, 0.5, 0.0), 0.8, 0.9, 1.0
ROUND = {"boxstyle": "circle,pad=0.5", "facecolor": "white", "edgecolor": GREY}
BENT = "arc3,rad=-0.35"


@dataclass(frozen=True)
class Pass:
    """h[0 … T] and dh[0 … T]; by step, 1 … T, what the step back multiplied dh by, and its share of
    ∂L/∂w_h, whose sum is compared with the difference quotient."""

    h: list[float]
    dh: list[float]
    factors: list[float]
    shares: list[float]
    loss: float
    measured: float


def forward(w_h: float) -> list[float]:
    h = [0.0]
    for x in INPUTS:
        h.append(float(np.tanh(W_X * x + w_h * h[-1])))
    return h


def measure() -> Pass:
    h = forward(W_H)
    dh, factors, shares = [h[-1] - TARGET], [], []
    for t in range(len(INPUTS), 0, -1):
        da = dh[0] * (1 - h[t] ** 2)
        shares.insert(0, da * h[t - 1])
        factors.insert(0, W_H * (1 - h[t] ** 2))
        dh.insert(0, da * W_H)
    w_h = np.array([W_H])
    measured = numerical_gradient(lambda: 0.5 * (forward(w_h[0])[-1] - TARGET) ** 2, w_h)
    return Pass(h, dh, factors, shares, 0.5 * (h[-1] - TARGET) ** 2, float(measured[0]))


def report(found: Pass) -> list[str]:
    lines = ["t    x        h       dh   dh[t-1]/dh[t]   share of dw_h"]
    for t, (h, dh) in enumerate(zip(found.h, found.dh, strict=True)):
        step = f"{t}{'':5}{'':3}{h:9.4f}{dh:9.4f}"
        if t:
            factor, share = found.factors[t - 1], found.shares[t - 1]
            step = f"{t}{INPUTS[t - 1]:5.1f}{'':3}{h:9.4f}{dh:9.4f}{factor:16.4f}{share:z16.4f}"
        lines.append(step)
    total = sum(found.shares)
    lines += [
        f"sum of the shares {total:.6f}, by a difference quotient {found.measured:.6f}",
        f"from the last step to the first state: {found.dh[0] / found.dh[-1]:.4f} = "
        + " x ".join(f"{factor:.3f}" for factor in reversed(found.factors)),
    ]
    return lines


def arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], **look: object) -> None:
    style = {"arrowstyle": "-|>", "shrinkA": 17, "shrinkB": 17, "linewidth": 1.6} | look
    axes.annotate("", end, begin, arrowprops=style)


def node(axes: Axes, place: float, name: str, forward: float, back: float) -> None:
    axes.text(place, 1, name, ha="center", va="center", size=12, bbox=ROUND)
    axes.text(place + 0.07, 1.24, f"{forward:.3f}", color=BLUE)
    axes.text(place, 0.68, f"{back:.3f}".replace("-", "−"), ha="center", color=RED)


def draw(found: Pass) -> Figure:
    figure = Figure(figsize=(8.4, 2.7), layout="constrained")
    axes = figure.subplots()
    end = len(INPUTS) + 1
    for t, (h, dh) in enumerate(zip(found.h, found.dh, strict=True)):
        node(axes, t, f"$h_{t}$", h, dh)
    node(axes, end, "$L$", found.loss, 1)
    for t, (x, factor) in enumerate(zip(INPUTS, found.factors, strict=True), 1):
        axes.text(t, 1.85, f"$x_{t}$ = {x:g}", ha="center", va="center", size=11)
        arrow(axes, (t, 1.85), (t, 1), color=GREY, shrinkA=9)
        axes.text(t - 0.5, 1.06, f"$w_h$ = {W_H}", ha="center", color=BLUE, size=8)
        axes.text(t - 0.5, 0.68, f"× {factor:.3f}", ha="center", color=RED, size=8)
    for t in range(1, end + 1):
        arrow(axes, (t - 1, 1), (t, 1), color=BLUE)
        arrow(axes, (t, 1), (t - 1, 1), color=RED, connectionstyle=BENT)
    axes.text(end - 0.5, 0.68, "$h_4 - 1$", ha="center", color=RED, size=8)
    axes.plot([], [], color=BLUE, label="forward: the states, and the loss")
    axes.plot([], [], color=RED, label="back: $dh_t = \\partial L/\\partial h_t$")
    axes.legend(loc="lower left", ncols=2)
    axes.set(xlim=(-0.3, end + 0.4), ylim=(0.25, 2))
    axes.set_axis_off()
    return figure


def main(folder: Path) -> Pass:
    found = measure()
    publish("unrolled", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
