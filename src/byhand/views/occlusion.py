"""Which parts of an image a unit needs: cover each of them and see what it loses.

Source      Zeiler, Fergus, arXiv 1311.2901, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PIXELS = 100_000
"""Of all images that are asked about at once."""


def occlusion(ask: Callable[[Array], Array], image: Array, size: int, step: int) -> Array:
    """How much a unit loses when a square of the image is covered, at each pixel the mean over all
    squares that cover it.

    ask         the unit's answer to images[n, channels, height, width]: [n]
    size, step  of the squares, which are moved over the image by `step` pixels, and to its edge at
                the end; they are painted in the mean colour of the image
    Shapes      image[channels, height, width] -> [height, width]; positive where it is needed
    """
    _, height, width = image.shape
    corners = [
        (top, left) for top in _starts(height, size, step) for left in _starts(width, size, step)
    ]
    squares = [np.s_[top : top + size, left : left + size] for top, left in corners]
    colour = image.mean(axis=(1, 2), keepdims=True)
    before = float(ask(image[None])[0])
    lost, covered = np.zeros((height, width)), np.zeros((height, width))
    batch = max(1, PIXELS // (height * width))
    for first in range(0, len(squares), batch):
        part = squares[first : first + batch]
        images = np.repeat(image[None], len(part), axis=0)
        for copy, square in zip(images, part, strict=True):
            copy[:, *square] = colour
        for square, after in zip(part, ask(images), strict=True):
            lost[square] += before - float(after)
            covered[square] += 1
    return lost / covered


def _starts(length: int, size: int, step: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, step), last]
