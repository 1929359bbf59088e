"""How large should the step h of a finite difference be? The V-shaped curve.

Prints the smallest relative error of each way to differentiate, and the h where it is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand import QuadraticCost
from byhand.finite_differences import STEP, relative_error
from byhand.models import mlp
from byhand.views.style import BLUE, GREEN, GREY, ORANGE, PINK

STEPS = np.logspace(-13, 0, 53)


def model_and_objective(dtype: type) -> tuple[dict, dict, Callable[[], float]]:
    """A small network's parameters, its gradients by hand, and its loss as a function of them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 4)).astype(dtype)
    t = rng.random((5, 2)).astype(dtype)
    model, loss = mlp([4, 3, 2], output="sigmoid").initialize(0, dtype), QuadraticCost()
    y, caches = model.forward(x)
    _, cache = loss.forward(y, t)
    _, gradients = model.backward(loss.backward(cache), caches)
    return model.parameters, gradients, lambda: loss.forward(model.forward(x)[0], t)[0]


def difference(f: Callable[[], float], w: np.ndarray, h: float, central: bool) -> np.ndarray:
    """∂f/∂w, one element at a time: from both sides, or from the right only."""
    slope = np.empty(w.shape)
    for place in np.ndindex(w.shape):
        kept = w[place].item()
        w[place] = kept + h
        above = f()
        w[place] = kept - h if central else kept
        below = f()
        w[place] = kept
        slope[place] = (above - below) / (2 * h if central else h)
    return slope


def errors(dtype: type, central: bool) -> dict[str, np.ndarray]:
    """The relative error of each parameter's derivative, for each step h."""
    parameters, gradients, f = model_and_objective(dtype)
    return {
        name: np.array(
            [relative_error(difference(f, w, h, central), gradients[name]) for h in STEPS]
        )
        for name, w in parameters.items()
    }


def measure() -> dict[str, np.ndarray]:
    """Relative error against STEPS, by parameter and, for one of them, by other means."""
    curves = errors(np.float64, central=True)
    curves["from one side only"] = errors(np.float64, central=False)["hidden1.W"]
    curves["in float32"] = errors(np.float32, central=True)["hidden1.W"]
    return curves


def report(curves: dict[str, np.ndarray]) -> list[str]:
    lines = ["derivative of            smallest error    at h"]
    for name, error in curves.items():
        which = name if "." in name else f"hidden1.W {name}"
        lines.append(f"{which:30}{error.min():9.0e}  {STEPS[error.argmin()]:6.0e}")
    return lines


def draw(curves: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.subplots()
    looks = [(BLUE, "-"), (GREEN, "-"), (ORANGE, "-"), (PINK, "-"), (GREY, "--"), (GREY, ":")]
    for (name, error), (colour, line) in zip(curves.items(), looks, strict=True):
        label = name if "." in name else f"hidden1.W {name}"
        axes.loglog(STEPS, error, line, color=colour, label=label)
    axes.axvline(STEP, color="black", linewidth=0.8, linestyle=":")
    axes.annotate("byhand's h", (STEP, 3), fontsize=8, ha="right", rotation=90, va="top")
    axes.set(xlabel="step h", ylabel="relative error", ylim=(1e-12, 5))
    axes.set_title("Finite differences against the derivative by hand")
    axes.legend(fontsize=8, bbox_to_anchor=(1, 0.5), loc="center left")
    return figure


def main(folder: Path) -> dict[str, np.ndarray]:
    curves = measure()
    publish("step_size", lambda: draw(curves), report(curves), folder)
    return curves


if __name__ == "__main__":
    main(output_folder())
