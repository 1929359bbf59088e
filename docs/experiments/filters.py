"""The filters of a convolutional layer before and after it has learned digits.

Prints how large the weights are, and how alike two neighbours: the correlation of a weight with the
one beside it or below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _shared import convolutional, output_folder, publish

from byhand.layers import Convolution2D
from byhand.views import filters
from byhand.views.filters import Filters, LayerFilters
from byhand.views.subject import in_our_layers

STEPS = 1000


@dataclass(frozen=True)
class Findings:
    """moment -> the first layer's filters; for each layer the weights' standard deviation; and how
    alike two neighbours are."""

    filters: dict[str, LayerFilters]
    size: dict[str, list[float]]
    alike: dict[str, list[float]]


def neighbours(W: np.ndarray) -> float:
    """The correlation of a weight with the next one in its row, or in its column."""
    beside = np.stack([W[..., :-1].ravel(), W[..., 1:].ravel()])
    below = np.stack([W[..., :-1, :].ravel(), W[..., 1:, :].ravel()])
    return float(np.corrcoef(np.concatenate([beside, below], axis=1))[0, 1])


def measure(steps: int = STEPS) -> Findings:
    found = Findings({}, {}, {})
    for moment, count in {"before training": 0, f"after {steps:,} steps": steps}.items():
        layers = in_our_layers(convolutional(count)).layers
        convolutions = [layer for layer in layers if isinstance(layer, Convolution2D)]
        found.filters[moment] = replace(filters.filters_of(convolutions[0]), layer=moment)
        found.alike[moment] = [neighbours(layer.W) for layer in convolutions]
        found.size[moment] = [float(layer.W.std()) for layer in convolutions]
    return found


def report(found: Findings) -> list[str]:
    lines = ["                     first layer              second layer"]
    lines += ["                     size    neighbours       size    neighbours"]
    for moment in found.filters:
        pairs = zip(found.size[moment], found.alike[moment], strict=True)
        cells = "".join(f"{size:6.3f}{alike:+10.2f}         " for size, alike in pairs)
        lines.append(f"{moment:20}{cells}".rstrip())
    return lines


def main(folder: Path, steps: int = STEPS) -> Findings:
    found = measure(steps)
    view = Filters(
        "the first layer of a small convolutional network", tuple(found.filters.values())
    )
    publish("filters", lambda: filters.draw(view), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
