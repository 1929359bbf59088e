"""A passage of a text in a grid, one character to a cell, the number of each as its colour."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.views.style import BLACK, FAINT, GREY, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]
FONT = "DejaVu Sans Mono"
COLUMNS = 54
"""Characters to a line; two passages beside each other are as wide as a figure."""
ROW = 0.165
"""Inches from one line to the next."""
ENDS = {"\n": "↵", "\t": "→"}
DARK = 0.45
"""A colour below that lightness has white letters on it."""


def lines_of(pieces: Sequence[str]) -> list[list[tuple[str, int]]]:
    """The characters of a text, each with the place of its token, in lines as they are drawn: ended
    by the text's own ends of lines, or where they are full."""
    lines: list[list[tuple[str, int]]] = [[]]
    for place, piece in enumerate(pieces):
        for character in piece:
            if len(lines[-1]) == COLUMNS:
                lines.append([])
            lines[-1].append((character, place))
            if character == "\n":
                lines.append([])
    return lines if lines[-1] else lines[:-1]


def draw_passage(
    axes: Axes,
    lines: list[list[tuple[str, int]]],
    values: Array,
    rows: int,
    colours: str,
    scale: Normalize,
) -> AxesImage:
    """Draw lines of text on a grid of `rows`. values[tokens] are their colours; a token whose value
    is NaN has none, and a frame."""
    grid = np.full((rows, COLUMNS), np.nan)
    for row, line in enumerate(lines):
        for column, (_, place) in enumerate(line):
            grid[row, column] = values[place]
    image = axes.imshow(grid, cmap=colours, norm=scale, aspect="auto", interpolation="none")
    light = _lightness(np.asarray(image.cmap(image.norm(grid))))
    for row, line in enumerate(lines):
        for column, (character, place) in enumerate(line):
            framed = bool(np.isnan(values[place]))
            ink = "white" if light[row, column] < DARK and not framed else BLACK
            end = character in ENDS and not framed
            axes.text(
                column,
                row,
                plain(shown(character)),
                family=FONT,
                size=6 if end else 7,
                color=GREY if end and ink == BLACK else ink,
                weight="bold" if framed else "normal",
                ha="center",
                va="center_baseline",
                bbox={"boxstyle": "square,pad=0.1", "fc": "white", "lw": 0.8} if framed else None,
            )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)
    return image


def bar_under(page: Figure, panels: Sequence[Axes], image: AxesImage, meaning: str) -> None:
    """The colours of all these passages."""
    bar = page.colorbar(
        image, ax=panels, label=meaning, location="bottom", shrink=0.5, aspect=40, pad=0.02
    )
    bar.outline.set_visible(False)


def shown(character: str) -> str:
    """The character, or a sign for one that cannot be seen or that the font has not got."""
    if character in ENDS:
        return ENDS[character]
    if not character.isprintable():
        return "·"
    return character if _in_font(character) else "□"


@cache
def _in_font(character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return bool(get_font(findfont(FONT)).get_char_index(ord(character)))


def _lightness(rgba: Array) -> Array:
    """How light a colour looks, from 0 to 1 (the luma of Rec. 709)."""
    lightness: Array = rgba[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    return lightness
