"""One cost, differentiated five ways: how many digits are right, and when they are gone.

C = −log(1 − σ(z)) is what a unit with the target 0 pays for its score z; its derivative is σ(z).
Prints the relative error of each way for some scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

import byhand
from byhand import BinaryCrossEntropyWithLogits
from byhand.finite_differences import numerical_gradient
from byhand.views.style import BLUE, GREEN, GREY, RED

SCORES = np.arange(0.0, 45.25, 0.25)
SHOWN = (1, 10, 20, 30, 40)


def as_written(z: Any) -> Any:
    return -np.log(1 - 1 / (1 + np.exp(-z)))


def rewritten(z: Any) -> Any:
    return np.logaddexp(0, z)


def measured(f: Any, z: float) -> float:
    x = np.array([z])
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(numerical_gradient(lambda: float(f(x)[0]), x)[0])


def on_the_tape(f: Any, z: float) -> float:
    with np.errstate(divide="ignore"):
        return float(byhand.grad(f)(z))


def by_hand(z: float) -> float:
    loss = BinaryCrossEntropyWithLogits()
    _, cache = loss.forward(np.array([[z]]), np.array([[0.0]]))
    return float(loss.backward(cache)[0, 0])


WAYS = {
    "finite differences, as written": lambda z: measured(as_written, z),
    "tape, as written": lambda z: on_the_tape(as_written, z),
    "finite differences, rewritten": lambda z: measured(rewritten, z),
    "tape, rewritten": lambda z: on_the_tape(rewritten, z),
    "by hand": by_hand,
}


def measure() -> dict[str, np.ndarray]:
    """The relative error against SCORES, by way; NaN where no number came out."""
    truth = 1 / (1 + np.exp(-SCORES))
    errors = {}
    for name, way in WAYS.items():
        found = np.array([way(float(z)) for z in SCORES])
        with np.errstate(invalid="ignore"):
            error = np.abs(found - truth) / truth
        errors[name] = np.where(np.isfinite(found), error, np.nan)
    return errors


def report(errors: dict[str, np.ndarray]) -> list[str]:
    lines = ["score z                         " + "".join(f"{z:11}" for z in SHOWN)]
    for name, error in errors.items():
        shown = [error[np.searchsorted(SCORES, z)] for z in SHOWN]
        cells = ["no number" if np.isnan(e) else f"{max(e, 1e-16):.0e}" for e in shown]
        lines.append(f"{name:32}" + "".join(f"{cell:>11}" for cell in cells))
    return lines


def draw(errors: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.subplots()
    looks = [(GREY, "-"), (RED, "-"), (GREY, "--"), (BLUE, "-"), (GREEN, "--")]
    for (name, error), (colour, line) in zip(errors.items(), looks, strict=True):
        axes.semilogy(SCORES, np.maximum(error, 1e-17), line, color=colour, label=name)
    axes.set(xlabel="score z", ylabel="relative error of dC/dz", ylim=(5e-18, 50))
    axes.set_title("The tape differentiates the program, with its rounding")
    axes.legend(fontsize=8, bbox_to_anchor=(1, 0.5), loc="center left")
    return figure


def main(folder: Path) -> dict[str, np.ndarray]:
    errors = measure()
    publish("derivatives_without_deriving", lambda: draw(errors), report(errors), folder)
    return errors


if __name__ == "__main__":
    main(output_folder())
