"""What the units of the second convolution have found: their strongest patches among test digits.

Prints for each unit the digits that its nine strongest patches are of, and how much of what the
projection marks in them is ink.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import convolutional, digits, output_folder, publish

from byhand.views import strongest_patches
from byhand.views.strongest_patches import NINE, StrongestPatches, strongest

STEPS, TESTS, LAYER, DRAWN = 1000, 5000, "relu2", 6
INK = 0.5


@dataclass(frozen=True)
class Findings:
    """digits[unit, nine]: the class of each patch; ink: its share of the patches' pixels, and of
    what the projections have above 0."""

    view: StrongestPatches
    digits: np.ndarray
    ink: tuple[float, float]


def measure(steps: int = STEPS) -> Findings:
    program, (_, test) = convolutional(steps), digits(0, TESTS)
    about = f"a small convolutional network and {TESTS:,} test digits"
    view = strongest_patches.patches_of(program, test.inputs, about, most=DRAWN)
    found = strongest(lambda x: program.activations(x)[LAYER], test.inputs)
    ink, marked = view.patches > INK, np.maximum(view.projections, 0)
    shares = float(ink.mean()), float(marked[ink].sum() / marked.sum())
    return Findings(view, test.targets[found.examples], shares)


def report(found: Findings) -> list[str]:
    lines = [f"the digits of the {NINE} strongest patches of each unit of {LAYER}"]
    columns = [f"{unit:3}   {' '.join(map(str, row))}" for unit, row in enumerate(found.digits)]
    rows = len(columns) // 2
    lines += [
        f"{left}      {right}" for left, right in zip(columns[:rows], columns[rows:], strict=True)
    ]
    kinds = [len(set(row)) for row in found.digits]
    lines += [
        "",
        f"units with one or two kinds of digit: {sum(k <= 2 for k in kinds)} of {len(kinds)}",
        f"ink: {100 * found.ink[0]:.0f} % of the patches' pixels, "
        f"{100 * found.ink[1]:.0f} % of what the projections mark",
    ]
    return lines


def main(folder: Path, steps: int = STEPS) -> Findings:
    found = measure(steps)
    publish("strongest_patches", lambda: strongest_patches.draw(found.view), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
