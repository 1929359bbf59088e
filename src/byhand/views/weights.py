"""What each unit of the first layer looks for: its weights, laid out as the image they act on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.layers import Dense
from byhand.views.style import figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 64
CLIPPED = 0.995
"""The share of weights inside the colour scale: a few extreme ones would make all others pale."""


@dataclass(frozen=True)
class Weights:
    """tiles[unit, height, width] of the first units of a layer: W[:, unit] as an image.

    A tile of a colour image is the mean over its channels. `limit` is the end of the colour scale,
    the same for all tiles and the same on both sides of 0.
    """

    about: str
    layer: str
    units: int
    channels: int
    tiles: NDArray[Any]
    limit: float


def compute(subject: Subject, most: int = MOST) -> Weights:
    """Cut the first layer's W[in, out] into one image per unit.

    Raises      DoesNotApply where the inputs are not images or the first layer with parameters is
                not Dense, or before the first epoch is finished.
    """
    shape = subject.image_shape
    layer = next(layer for layer in subject.program.description.model.layers if layer.parameters)
    if not isinstance(layer, Dense):
        found = f"that of run {subject.run.name} is {layer}"
        raise DoesNotApply(f"a Dense first layer is needed, and {found}")
    W = subject.program.parameters()[f"{layer.name}.W"]
    tiles = W.T[:most].reshape(-1, *shape).mean(axis=1)
    return Weights(
        about=subject.about_best,
        layer=str(layer.name),
        units=W.shape[1],
        channels=shape[0],
        tiles=tiles,
        limit=float(np.quantile(np.abs(tiles), CLIPPED)) or 1.0,
    )


@styled
def draw(view: Weights) -> Figure:
    shown = len(view.tiles)
    which = f"{shown} units" if shown == view.units else f"first {shown} of {view.units} units"
    # The grid whose last row is the fullest.
    columns = min(shown, min((10, 9, 8), key=lambda count: -shown % count))
    rows = math.ceil(shown / columns)
    headline = f'Weights of layer "{plain(view.layer)}": {which}'
    page = figure(7.6 / max(columns, 5) * rows + 0.7, headline, view.about)
    cells = page.subplots(rows, columns, squeeze=False)
    for k, axes in enumerate(cells.flat):
        axes.set_axis_off()
        if k < shown:
            scale = {"cmap": "RdBu_r", "vmin": -view.limit, "vmax": view.limit}
            image = axes.imshow(view.tiles[k], interpolation="nearest", **scale)
    mean = f", mean over {view.channels} channels" if view.channels > 1 else ""
    bar = page.colorbar(
        image,
        ax=cells,
        location="bottom",
        extend="both",
        shrink=0.6,
        aspect=40,
        pad=0.02,
        label=f"weight{mean}; a bright pixel speaks for the unit where red, against it where blue",
    )
    bar.outline.set_visible(False)
    return page
