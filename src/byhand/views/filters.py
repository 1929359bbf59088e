"""What convolutional layers look for: their filters, as images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.layers import Convolution2D, Sequential
from byhand.views.focus import check_unit, place_of
from byhand.views.style import figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject, in_our_layers
from byhand.views.tiles import bar_beside, mosaic, show_signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
MOST, CHANNELS = 20, 20
"""Units of a layer, and input channels of a unit, that are drawn."""
COLUMNS = 12
CLIPPED = 0.995
"""The share of weights inside the colour scale: a few extreme ones would make all others pale."""


@dataclass(frozen=True)
class LayerFilters:
    """The first filters of one layer.

    shape       of W: (out, in/groups, kernel height, kernel width)
    units       [shown]             their numbers
    W           [shown, channels shown, kernel height, kernel width]
    limit       the end of the colour scale, the same on both sides of 0
    """

    layer: str
    shape: tuple[int, ...]
    units: NDArray[np.int64]
    W: Array
    limit: float


@dataclass(frozen=True)
class Filters:
    """The filters of each convolutional layer, from the input on."""

    about: str
    layers: tuple[LayerFilters, ...]


def compute(subject: Subject, most: int = MOST) -> Filters:
    """Take the filters of the convolutional layers, or of the one that is asked for.

    Raises      DoesNotApply where there is no convolutional layer or the one asked for is none.
    """
    model, focus = in_our_layers(subject.program), subject.focus
    name = None if focus.layer is None else model.layers[place_of(model, focus.layer)].name
    found = tuple(
        filters_of(layer, focus.unit, most)
        for layer in convolutions(model)
        if name in (None, layer.name)
    )
    if not found:
        what = "the network has none" if name is None else f"layer {name} is none"
        raise DoesNotApply(f"a convolutional layer is needed, and {what}")
    return Filters(subject.about_best, found)


def convolutions(model: Sequential) -> list[Convolution2D]:
    return [layer for layer in model.layers if isinstance(layer, Convolution2D)]


def filters_of(layer: Convolution2D, unit: int | None = None, most: int = MOST) -> LayerFilters:
    """The first filters of a layer, or one of them."""
    W = layer.W
    if unit is None:
        units = np.arange(min(most, len(W)))
    else:
        check_unit(layer, len(W), unit)
        units = np.array([unit])
    shown = W[units, :CHANNELS]
    limit = float(np.quantile(np.abs(shown), CLIPPED)) or 1.0
    return LayerFilters(str(layer.name), W.shape, units, shown, limit)


@styled
def draw(view: Filters) -> Figure:
    pictures = [_picture(layer) for layer in view.layers]
    heights = [_height(picture) for picture in pictures]
    headline = "Filters of the convolutional layers"
    page = figure(sum(heights) + 0.35 * len(heights), headline, view.about)
    panels = page.subplots(len(pictures), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, layer, picture in zip(panels, view.layers, pictures, strict=True):
        image = show_signed(axes, picture, layer.limit)
        axes.set_title(_title(layer))
        bar_beside(axes, image)
    return page


def _picture(layer: LayerFilters) -> Array:
    """One input channel: the filters in rows of twelve. More: a row for each unit, a column for
    each channel."""
    _, channels, height, width = layer.W.shape
    tiles = layer.W.reshape(-1, height, width)
    return mosaic(tiles, COLUMNS if channels == 1 else channels)


def _height(picture: Array) -> float:
    """Inches, for a picture as wide as the figure and not higher than that."""
    rows, columns = picture.shape
    return 7.2 * min(1.0, float(rows) / float(columns))


def _title(layer: LayerFilters) -> str:
    out, channels, *_ = layer.shape
    shown, drawn = layer.W.shape[:2]
    size = " x ".join(map(str, layer.shape))
    which = f"unit {layer.units[0]}" if shown == 1 else f"{shown} of {out} units"
    if channels == 1:
        return f"{plain(layer.layer)}   W {size}   {which}"
    return (
        f"{plain(layer.layer)}   W {size}   rows: {which}; columns: {drawn} of {channels} channels"
    )
