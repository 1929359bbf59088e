"""Many small images as one picture: what filters, feature maps and patches are drawn with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]
CLIPPED = 0.995
"""The share of numbers inside the scale of an image."""
SIGNED = "RdBu_r"
"""Red above 0, white at it, blue below: apart for readers with any kind of colour blindness."""


def mosaic(tiles: Array, columns: int, between: float = np.nan, gap: int = 1) -> Array:
    """Tiles row by row, with `gap` pixels between them; NaN is drawn as nothing.

    Shapes      tiles[tile, height, width, ...] -> [height of all, width of all, ...]
    """
    count, height, width, *colours = tiles.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    whole = np.full((rows * (height + gap), columns * (width + gap), *colours), between)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (height + gap), k % columns * (width + gap)
        whole[top : top + height, left : left + width] = tile
    return whole[: whole.shape[0] - gap, : whole.shape[1] - gap]


def show_signed(axes: Axes, values: Array, limit: float | None = None) -> AxesImage:
    """Numbers of both signs as colours: white at 0, both ends at `limit` (the largest by default).

    Shapes      values[height, width]
    """
    largest = float(np.nanmax(np.abs(values))) if limit is None else limit
    end = largest or 1.0
    axes.set_axis_off()
    return axes.imshow(values, cmap=SIGNED, vmin=-end, vmax=end, interpolation="none")


def as_rgb(image: Array) -> Array:
    """An image in [0, 1] as RGB[height, width, 3]: gray, the mean of the channels, unless there are
    three of them."""
    rgb = image if len(image) == 3 else np.repeat(image.mean(axis=0, keepdims=True), 3, axis=0)
    return rgb.transpose(1, 2, 0).clip(0, 1)


def signal_as_rgb(signal: Array) -> Array:
    """What went back to the pixels of an image, on a scale of its own: as RGB around gray where
    there are three channels, else their sum in the colours of `show_signed`. A few extreme numbers
    lie outside of the scale, as they would make all others pale.

    Shapes      signal[channels, height, width] -> [height, width, 3]
    """
    import matplotlib

    share = signal if len(signal) == 3 else signal.sum(axis=0)
    end = float(np.quantile(np.abs(share), CLIPPED)) or float(np.abs(share).max()) or 1.0
    share = (0.5 + 0.5 * share / end).clip(0, 1)
    if len(signal) == 3:
        return share.transpose(1, 2, 0)
    return np.asarray(matplotlib.colormaps[SIGNED](share))[..., :3]


def bar_of_shares(page: Figure, cells: Array, meaning: str) -> None:
    """The colours of `signal_as_rgb` under all `cells` of a figure."""
    import matplotlib
    from matplotlib.cm import ScalarMappable

    colours = ScalarMappable(cmap=matplotlib.colormaps[SIGNED])
    label = f"number, as a share of nearly the largest of its image: {meaning}"
    bar = page.colorbar(
        colours, ax=cells, label=label, location="bottom", shrink=0.5, aspect=40, pad=0.02
    )
    bar.set_ticks([0, 0.5, 1], labels=["−1", "0", "1"])
    bar.outline.set_visible(False)


def bar_beside(axes: Axes, image: AxesImage) -> None:
    """A thin bar of the colours of `show_signed`, which moves nothing else."""
    most = image.get_clim()[1]
    bar = axes.figure.colorbar(image, ax=axes, aspect=8, pad=0.01, fraction=0.03)
    bar.outline.set_visible(False)
    bar.set_ticks([-most, 0, most], labels=[f"−{most:.2g}", "0", f"{most:.2g}"], size=7)
    axes.set_anchor("W")
