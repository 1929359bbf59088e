"""Which pixels of an image speak for an answer, found in four ways beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.engines import Program
from byhand.layers import Layer, Sequential
from byhand.views.focus import Focus, check_unit, place_of
from byhand.views.occlusion import occlusion
from byhand.views.projection import STEPS, back_to_pixels
from byhand.views.style import figure, plain, styled
from byhand.views.subject import Subject, in_our_layers
from byhand.views.tiles import as_rgb, bar_of_shares, signal_as_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
SHOWN = 5
TITLES = {
    "gradient": "gradient",
    "guided": "guided\nbackpropagation",
    "projection": "projection\n(Zeiler, Fergus)",
    "occlusion": "occlusion",
}


@dataclass(frozen=True)
class Saliency:
    """Images and what one unit of each, by default the class answered, has in them.

    captions    [images]
    images      [images, channels, height, width]
    of          what the units are, for the headline
    units       [images]
    names       [images]            what to call each unit
    maps        {method: [images, channels, height, width]}, for occlusion with one channel
    """

    about: str
    captions: list[str]
    images: Array
    of: str
    units: NDArray[np.int64]
    names: list[str]
    maps: dict[str, Array]


def compute(subject: Subject, shown: int = SHOWN) -> Saliency:
    """Map the image that is asked for, or the first test images.

    The unit is the one that is asked for, else the strongest one of the layer for each image; the
    layer by default is the one with the scores, before any softmax.

    Raises      DoesNotApply for inputs that are not images, or before the first epoch is finished.
    """
    images, captions = subject.chosen_images(shown)
    classes = subject.dataset.classes
    return maps_of(subject.program, images, captions, subject.about_best, classes, subject.focus)


def maps_of(
    program: Program,
    images: Array,
    captions: list[str],
    about: str,
    classes: tuple[str, ...] = (),
    focus: Focus = Focus(),
) -> Saliency:
    """The maps of a network's answers to images, or of the layer and unit in focus."""
    model = in_our_layers(program)
    place = scores_place(model) if focus.layer is None else place_of(model, focus.layer)
    layer = model.layers[place]

    def ask(x: Array) -> Array:
        return program.activations(x)[str(layer.name)]

    y = ask(images)
    units, positions = strongest_units(y, layer, focus.unit)
    images = images.astype(next(iter(model.parameters.values())).dtype)
    maps = all_maps(model.layers[: place + 1], ask, images, units, positions)
    names, of = [f"unit {unit}" for unit in units], f'a unit of layer "{plain(str(layer.name))}"'
    if place == scores_place(model) and len(classes) == y.shape[1]:
        names, of = [f"score of {classes[unit]}" for unit in units], "a class"
    return Saliency(about, captions, images, of, units, names, maps)


def scores_place(model: Sequential) -> int:
    """Where the layer stands whose output is a score for each class: the last with parameters."""
    return max(k for k, layer in enumerate(model.layers) if layer.parameters)


def strongest_units(
    y: Array, layer: Layer, unit: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each image the unit with the largest output, or the given one, and where it is largest.

    Shapes      y[images, units, ...] -> units[images], positions[images, 2]
    """
    flat = y.reshape(*y.shape[:2], -1)
    if unit is None:
        units = flat.max(axis=2).argmax(axis=1)
    else:
        check_unit(layer, y.shape[1], unit)
        units = np.full(len(y), unit)
    where = flat[np.arange(len(y)), units].argmax(axis=1)
    width = y.shape[-1] if y.ndim == 4 else 1
    return units, np.stack([where // width, where % width], axis=1)


def all_maps(
    layers: Sequence[Layer],
    ask: Callable[[Array], Array],
    images: Array,
    units: Array,
    positions: Array,
    squares: tuple[int, int] | None = None,
) -> dict[str, Array]:
    """The maps of one unit of each image, in each of the four ways.

    layers      from the image to the layer with the units; `ask` gives that layer's output
    squares     size and step of the squares that occlude; by default a quarter of the image's
                smaller side, moved by a fourteenth of that
    """
    size, step = squares or _squares(images)
    maps = {m: back_to_pixels(m, layers, images, units, positions) for m in STEPS}
    occluded = []
    for image, unit, position in zip(images, units, positions, strict=True):

        def answer(x: Array, unit: int = unit, position: Array = position) -> Array:
            y = ask(x)
            unit_of_each: Array = y[(slice(None), unit, *position)[: y.ndim]]
            return unit_of_each

        occluded.append(occlusion(answer, image, size, step))
    return maps | {"occlusion": np.stack(occluded)[:, None]}


def _squares(images: Array) -> tuple[int, int]:
    size = max(1, min(images.shape[2:]) // 4)
    return size, max(1, size // 14)


@styled
def draw(view: Saliency) -> Figure:
    rows = len(view.images)
    page = figure(1.85 * rows + 0.8, f"What speaks for {view.of}", view.about)
    cells = page.subplots(rows, 1 + len(view.maps), squeeze=False)
    for k, (first, *others) in enumerate(cells):
        first.imshow(as_rgb(view.images[k]), interpolation="none")
        first.set_title(f"{plain(view.captions[k], 24)}\n{plain(view.names[k], 24)}", size=9)
        for axes, (method, maps) in zip(others, view.maps.items(), strict=True):
            axes.imshow(signal_as_rgb(maps[k]), interpolation="none")
            if k == 0:
                axes.set_title(TITLES[method], size=9)
    for axes in cells.flat:
        axes.set_axis_off()
    in_colour = "; in colour, gray is 0" if view.images.shape[1] == 3 else ""
    bar_of_shares(page, cells, f"red speaks for it, blue against it{in_colour}")
    return page
