"""Pre-norm against post-norm before the first step: how large the gradient is in each block.

A GPT of twelve pairs of blocks, random ids, no training. Prints the norm of the gradient of the
feed-forward layer's second matrix, as a mean over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, SoftmaxCrossEntropy, engines
from byhand.models import gpt
from byhand.views.style import BLUE, RED

DEPTH, SEEDS, VOCABULARY, TIME = 12, 3, 32, 16


@dataclass(frozen=True)
class Findings:
    """By place of the norm, the norm of the gradient[seed, block]."""

    norms: dict[str, np.ndarray]


def measure() -> Findings:
    norms = {}
    for place in ("pre", "post"):
        norms[place] = np.array([norms_of(place, seed) for seed in range(SEEDS)])
    return Findings(norms)


def norms_of(place: str, seed: int) -> list[float]:
    model = gpt(VOCABULARY, width=32, depth=DEPTH, heads=4, context=TIME, place=place)
    program = engines.compile(model.initialize(seed), SoftmaxCrossEntropy(), SGD(0.1))
    ids = np.random.default_rng(seed).integers(0, VOCABULARY, (8, TIME + 1))
    _, gradients = program.gradients(ids[:, :-1], ids[:, 1:])
    return [
        float(np.linalg.norm(gradients[f"feed_forward{k}.dense2.W"])) for k in range(1, DEPTH + 1)
    ]


def report(found: Findings) -> list[str]:
    blocks = (1, 3, 6, 9, 12)
    lines = ["norm of the gradient in block" + "".join(f"{k:8}" for k in blocks)]
    for place, norms in found.norms.items():
        mean = norms.mean(axis=0)
        lines.append(f"{place + '-norm':29}" + "".join(f"{mean[k - 1]:8.3f}" for k in blocks))
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    blocks = np.arange(1, DEPTH + 1)
    for (place, norms), colour in zip(found.norms.items(), (BLUE, RED), strict=True):
        axes.plot(blocks, norms.T, color=colour, alpha=0.3, linewidth=1)
        axes.plot(blocks, norms.mean(axis=0), color=colour, label=f"{place}-norm")
    axes.set(xlabel="block, from the first to the last", ylabel="norm of the gradient")
    axes.set(yscale="log", title="The gradient before the first step")
    axes.legend()
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("attention_only", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
