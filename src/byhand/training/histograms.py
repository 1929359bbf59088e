"""How numbers are distributed, in a few dozen counts that a row of metrics can hold.

The bins are dyadic: bin i holds w i ≤ v < w (i + 1), and the width w is a power of two. So the bins
of a wide histogram are made of whole bins of a narrow one, and histograms of different times can be
laid over each other without a count being split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.engines import Program
from byhand.layers import Dropout, Flatten

Array = NDArray[Any]
BINS = 64
"""At most so many from the smallest number to the largest."""
FINEST = 2.0**-20
"""The smallest width, as a share of the largest number: below it are roundings."""
MOST = 4 * BINS
"""Bins at most where several histograms are laid over each other."""


@dataclass(frozen=True)
class Histogram:
    """counts[k] numbers v with width · (first + k) ≤ v < width · (first + k + 1)."""

    width: float
    first: int
    counts: Sequence[int]


def histogram(values: Array) -> Histogram:
    """Count the finite ones of `values`, whatever their shape."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Histogram(1.0, 0, [])
    low, high = float(values.min()), float(values.max())
    needed = max((high - low) / (BINS - 2), FINEST * max(abs(low), abs(high)))
    width = _power_of_two(needed or FINEST)
    first = math.floor(low / width)
    counts = np.bincount(np.floor(values / width).astype(np.int64) - first)
    return Histogram(width, first, counts.tolist())


def common(histograms: Iterable[Histogram]) -> tuple[Array, Array]:
    """Several histograms in the same bins, as wide as the widest among them or wider.

    Shapes      -> edges[bins + 1], counts[histogram, bins]
    """
    given = list(histograms)
    filled = [each for each in given if each.counts] or [Histogram(1.0, 0, [0])]
    low = min(each.width * each.first for each in filled)
    high = max(each.width * (each.first + len(each.counts)) for each in filled)
    widest = max(each.width for each in filled)
    width = max(widest, _power_of_two((high - low) / (MOST - 2)))
    first, end = math.floor(low / width), math.ceil(high / width)
    counts = np.zeros((len(given), end - first), np.int64)
    for row, each in zip(counts, given, strict=True):
        np.add.at(row, _places(each, width) - first, each.counts)
    return width * np.arange(first, end + 1), counts


def _power_of_two(least: float) -> float:
    return float(2.0 ** math.ceil(math.log2(least)))


def _places(each: Histogram, width: float) -> Array:
    """Which bin of the given width each bin lies in."""
    edges = each.first + np.arange(len(each.counts))
    places: Array = np.floor(edges * (each.width / width)).astype(np.int64)
    return places


def histograms(program: Program, inputs: Array) -> dict[str, dict[str, Any]]:
    """How the program's weights and, for these inputs, its layers' outputs are distributed.

    weights         by full name, such as "hidden1.W": the trained parameters with two axes or more
    activations     by layer, without Flatten and Dropout, which only pass on what they are given
    """
    model = program.description.model
    passing = {layer.name for layer in model.layers if isinstance(layer, Flatten | Dropout)}
    weights = {
        name: value
        for name, value in program.parameters().items()
        if name in model.trained and value.ndim > 1
    }
    outputs = {
        name: value for name, value in program.activations(inputs).items() if name not in passing
    }
    return {
        "weights": {name: asdict(histogram(value)) for name, value in weights.items()},
        "activations": {name: asdict(histogram(value)) for name, value in outputs.items()},
    }
