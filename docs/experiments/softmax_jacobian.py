"""Softmax's Jacobian for a real digit, and what learning becomes with its diagonal alone.

The same network is trained twice from the same start: with the whole derivative of softmax, and
with p (1 − p), its diagonal. Prints loss and accuracy on test digits, as mean over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, CrossEntropy, Sequential, Softmax, engines
from byhand.engines import Program
from byhand.layers.softmax import jacobian
from byhand.models import mlp
from byhand.views.style import BLUE, RED

EXAMPLES, TESTS, STEPS, EVERY, SEEDS, RATE = 5000, 2000, 1000, 50, 3, 0.1


class DiagonalOnly(Softmax):
    """Wrong on purpose: as if each p depended on its own z alone."""

    def backward(self, dp: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, dict]:
        return dp * p * (1 - p), {}


KINDS = {"whole Jacobian": Softmax, "diagonal only": DiagonalOnly}


@dataclass(frozen=True)
class Findings:
    """One digit's p and ∂p/∂z; by kind of derivative, loss and accuracy[seed, look]."""

    p: np.ndarray
    jacobian: np.ndarray
    loss: dict[str, np.ndarray]
    accuracy: dict[str, np.ndarray]


def program_with(softmax: Softmax, seed: int) -> Program:
    model = Sequential(mlp([784, 30, 10]), softmax).initialize(seed, np.float32)
    return engines.compile(model, CrossEntropy(), SGD(RATE))


def measure() -> Findings:
    train, test = digits(EXAMPLES, TESTS)
    loss: dict[str, np.ndarray] = {}
    accuracy: dict[str, np.ndarray] = {}
    p = np.empty(0)
    for name, kind in KINDS.items():
        looks = np.empty((SEEDS, STEPS // EVERY + 1, 2))
        for seed in range(SEEDS):
            program = program_with(kind(), seed)
            for step in learn(program, train, 10, seed, STEPS, EVERY):
                seen = program.evaluate(test.inputs, test.targets)
                looks[seed, step // EVERY] = seen.loss, seen.accuracy
                if (name, seed, step) == ("whole Jacobian", 0, STEPS):
                    p = most_torn(program.predict(test.inputs))
        loss[name], accuracy[name] = looks[..., 0], looks[..., 1]
    return Findings(p, jacobian(p[None])[0], loss, accuracy)


def most_torn(p: np.ndarray) -> np.ndarray:
    """The answer to the digit for which two classes share the probability most evenly."""
    top = np.sort(p, axis=1)
    return p[(top[:, -1] * top[:, -2]).argmax()]


def report(found: Findings) -> list[str]:
    steps = (0, 100, 200, 500, 1000)
    lines = ["after step                     " + "".join(f"{s:8}" for s in steps)]
    for name in KINDS:
        loss = "".join(f"{found.loss[name][:, s // EVERY].mean():8.2f}" for s in steps)
        share = "".join(f"{100 * found.accuracy[name][:, s // EVERY].mean():8.1f}" for s in steps)
        lines += [f"{name:16}test loss      {loss}", f"{name:16}accuracy, %    {share}"]
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    largest = np.abs(found.jacobian).max()
    image = left.imshow(found.jacobian, cmap="PuOr", vmin=-largest, vmax=largest)
    figure.colorbar(image, ax=left, shrink=0.85)
    left.set(xticks=range(10), yticks=range(10), xlabel="score z[j]", ylabel="probability p[k]")
    left.grid(False)
    left.set_title("∂p[k]/∂z[j] for a torn digit")
    steps = np.arange(0, STEPS + 1, EVERY)
    for (name, loss), colour in zip(found.loss.items(), (BLUE, RED), strict=True):
        right.plot(steps, loss.T, color=colour, alpha=0.3, linewidth=1)
        right.plot(steps, loss.mean(axis=0), color=colour, label=name)
    right.set(
        xlabel="step (ten digits each)", ylabel="cross-entropy on test digits", ylim=(0, None)
    )
    right.set_title("Learning with each derivative")
    right.legend()
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("softmax_jacobian", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
