"""Images as text, for terminals and logs: no colour is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS = " ▀▄█"
"""By upper pixel + 2 · lower pixel."""
INK = 0.4
"""Of the range from the darkest to the brightest pixel: what is above is drawn."""
WIDEST = 56


def digit(image: NDArray[Any]) -> list[str]:
    """An image as lines of half blocks, two pixels to a character: 28 x 28 becomes 14 lines of 28.

    Bright pixels are drawn in the terminal's own ink. An image above 56 pixels is made smaller by
    a whole factor.

    Shapes      image[height, width] or image[channels, height, width]
    """
    gray = image.mean(axis=0) if image.ndim == 3 else image
    factor = -(-max(gray.shape) // WIDEST)
    height, width = (size // factor for size in gray.shape)
    gray = gray[: height * factor, : width * factor]
    gray = gray.reshape(height, factor, width, factor).mean(axis=(1, 3))
    ink = gray > gray.min() + INK * (gray.max() - gray.min())
    if height % 2:
        ink = np.vstack([ink, np.zeros((1, width), bool)])
    return ["".join(BLOCKS[k] for k in row) for row in ink[::2] + 2 * ink[1::2]]


def beside(
    blocks: Sequence[Sequence[str]], captions: Sequence[str], width: int = 80, gap: int = 2
) -> str:
    """Blocks next to each other with a caption under each, as many to a row as `width` columns
    hold. What is blank on both sides of every block is left out, so that three digits fit into 80.

    Raises      ValueError where there is not one caption per block.
    """
    cells = _cells(blocks, captions)
    if not cells:
        return ""
    fit = max(1, (width + gap) // (len(cells[0][0]) + gap))
    rows = [cells[first : first + fit] for first in range(0, len(cells), fit)]
    lines = [[(" " * gap).join(parts).rstrip() for parts in zip(*row, strict=True)] for row in rows]
    return "\n\n".join("\n".join(row) for row in lines)


def _cells(blocks: Sequence[Sequence[str]], captions: Sequence[str]) -> list[list[str]]:
    """Each block with its caption, all of one size, the blocks standing on their captions."""
    inked = [line for block in blocks for line in block if line.strip()]
    left = min((len(line) - len(line.lstrip()) for line in inked), default=0)
    right = max((len(line.rstrip()) for line in inked), default=0)
    columns = max([right - left, *map(len, captions)], default=0)
    tallest = max(map(len, blocks), default=0)
    cells = []
    for block, caption in zip(blocks, captions, strict=True):
        lines = [line[left:right].ljust(right - left).center(columns) for line in block]
        blank = [" " * columns] * (tallest - len(block))
        cells.append([*blank, *lines, caption.center(columns)])
    return cells
