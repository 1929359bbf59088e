"""What 1/√d is for: how sharp attention is, and how much derivative it has left.

Queries and keys are random, with components of mean 0 and variance 1. Prints the largest weight and
the sum of the Jacobian's diagonal, Σ p (1 − p), as means over the queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand.layers.masks import masked_softmax
from byhand.views.style import BLUE, RED

WIDTHS = (1, 4, 16, 64, 256, 1024)
QUERIES, KEYS = 400, 32


@dataclass(frozen=True)
class Findings:
    """By kind, for each width: the standard deviation of S, the largest p, and Σ p (1 − p)."""

    spread: dict[str, np.ndarray]
    largest: dict[str, np.ndarray]
    left: dict[str, np.ndarray]


def measure() -> Findings:
    rng = np.random.default_rng(0)
    found = Findings({}, {}, {})
    raw = [rng.standard_normal((QUERIES, d)) @ rng.standard_normal((KEYS, d)).T for d in WIDTHS]
    for kind, power in (("q·k", 0.0), ("q·k/√d", 0.5)):
        scores = [S / d**power for S, d in zip(raw, WIDTHS, strict=True)]
        p = [masked_softmax(S, np.ones_like(S, bool)) for S in scores]
        found.spread[kind] = np.array([S.std() for S in scores])
        found.largest[kind] = np.array([each.max(axis=1).mean() for each in p])
        found.left[kind] = np.array([(each * (1 - each)).sum(axis=1).mean() for each in p])
    return found


def report(found: Findings) -> list[str]:
    lines = ["d                          " + "".join(f"{d:8}" for d in WIDTHS)]
    for kind in found.spread:
        for name, values in (
            ("spread of S", found.spread),
            ("largest p", found.largest),
            ("Σ p (1 − p)", found.left),
        ):
            lines.append(f"{kind:8}{name:19}" + "".join(f"{v:8.2f}" for v in values[kind]))
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, values, title in (
        (panels[0], found.largest, "The largest weight of a query"),
        (panels[1], found.left, "What is left of the derivative, Σ p (1 − p)"),
    ):
        for (kind, numbers), colour in zip(values.items(), (RED, BLUE), strict=True):
            axes.plot(WIDTHS, numbers, "o-", color=colour, label=kind)
        axes.set_xscale("log", base=2)
        axes.set(xlabel="d, components of a key", ylim=(0, 1.02), title=title)
        axes.legend()
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("paying_attention", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
