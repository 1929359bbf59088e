"""What each layer makes of one image: its feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from byhand.engines import Program
from byhand.layers import Dropout, Flatten, Layer, Sequential
from byhand.views.focus import place_of
from byhand.views.style import figure, picture, plain, styled
from byhand.views.subject import Subject
from byhand.views.tiles import bar_beside, mosaic, show_signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
SHOWN, ALONE = 10, 60
"""Feature maps of a layer that are drawn; of one that is asked for by itself."""
UNITS = 100
"""Units of a layer without images that are drawn."""
UNCHANGED = (Dropout, Flatten)
"""Layers that in evaluation only pass on what they are given."""


@dataclass(frozen=True)
class FeatureMaps:
    """One image and what each layer answered to it, by the layer's name.

    image       [channels, height, width]
    maps        {layer: [units, height, width] or [units]}
    titles      {layer: its kind and name}
    """

    about: str
    caption: str
    image: Array
    maps: dict[str, Array]
    titles: dict[str, str]


def compute(subject: Subject) -> FeatureMaps:
    """Ask each layer for its answer to the image that is asked for, or the first test image.

    Raises      DoesNotApply for inputs that are not images, or before the first epoch is finished.
    """
    (image,), (caption,) = subject.chosen_images(1)
    return maps_of(subject.program, image, subject.about_best, caption, subject.focus.layer)


def maps_of(
    program: Program, image: Array, about: str, caption: str, layer: str | None = None
) -> FeatureMaps:
    """What all layers of a network, or one of them, make of an image."""
    layers = _chosen_layers(program.description.model, layer)
    outputs = program.activations(image[None])
    return FeatureMaps(
        about=about,
        caption=caption,
        image=image,
        maps={str(layer.name): outputs[str(layer.name)][0] for layer in layers},
        titles={str(layer.name): _kind(layer) for layer in layers},
    )


def _chosen_layers(model: Sequential, name: str | None) -> list[Layer]:
    if name is not None:
        return [model.layers[place_of(model, name)]]
    return [layer for layer in model.layers if not isinstance(layer, UNCHANGED)]


def _kind(layer: Layer) -> str:
    kind = type(layer).__name__
    named_by_kind = str(layer.name).startswith(kind.lower())
    return str(layer.name) if named_by_kind else f"{kind} {layer.name}"


@styled
def draw(view: FeatureMaps) -> Figure:
    # One layer alone has room for more than a row.
    shown = SHOWN if len(view.maps) > 1 else ALONE
    rows = {name: _tiles(maps, shown) for name, maps in view.maps.items()}
    heights = [0.9, *(_height(row) for row in rows.values())]
    headline = f"Feature maps: {plain(view.caption, 60)}"
    page = figure(sum(heights) + 0.33 * len(heights), headline, view.about)
    panels = page.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    picture(panels[0], view.image)
    panels[0].set_anchor("W")
    panels[0].set_title(f"image   {_size(view.image)}")
    for axes, (name, row) in zip(panels[1:], rows.items(), strict=True):
        bar_beside(axes, show_signed(axes, row))
        maps = view.maps[name]
        if maps.ndim == 1:
            axes.set_aspect("auto")
        most = shown if maps.ndim == 3 else UNITS
        which = f"   the first {most}" if len(maps) > most else ""
        axes.set_title(f"{plain(view.titles[name])}   {_size(maps)}{which}")
    return page


def _tiles(maps: Array, shown: int) -> Array:
    return mosaic(maps[:shown], SHOWN) if maps.ndim == 3 else maps[None, :UNITS]


def _height(row: Array) -> float:
    """Inches, for images in rows of ten across the figure or for one row of numbers."""
    return 0.22 if len(row) == 1 else min(6.6 * row.shape[0] / row.shape[1], 6.6)


def _size(maps: Array) -> str:
    return " x ".join(map(str, maps.shape))
