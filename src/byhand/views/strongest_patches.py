"""What a unit has found where it is strongest: nine patches, and their projections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.engines import Program
from byhand.layers import Sequential
from byhand.views.focus import Focus, check_unit, place_of
from byhand.views.projection import back_to_pixels
from byhand.views.receptive_field import receptive_field
from byhand.views.saliency import scores_place
from byhand.views.style import figure, plain, styled
from byhand.views.subject import Subject, in_our_layers
from byhand.views.tiles import as_rgb, bar_of_shares, mosaic, signal_as_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
NINE = 9
UNITS = 12
PAIRS = 3
"""Units beside each other in the figure."""
BATCH = 250


@dataclass(frozen=True)
class Strongest:
    """The images that each unit answers to most, at most one patch of each.

    values      [units, nine]       the unit's outputs, the largest first
    examples    [units, nine]       which image
    positions   [units, nine, 2]    where in it, among the layer's units
    """

    values: Array
    examples: NDArray[np.int64]
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class StrongestPatches:
    """Some units of a layer with their strongest patches.

    shape           of an image's output of this layer
    units           [shown]             their numbers
    values          [shown, nine]       what they answer to each patch
    patches         [shown, nine, channels, rows, columns]
    projections     [shown, nine, channels, rows, columns]
    images          how many were searched
    """

    about: str
    layer: str
    shape: tuple[int, ...]
    units: NDArray[np.int64]
    values: Array
    patches: Array
    projections: Array
    images: int


def compute(subject: Subject, most: int = UNITS) -> StrongestPatches:
    """Search the test images for the patches that the first units of a layer answer to most.

    The layer is the one that is asked for, else the last whose units lie in images, else the one
    with the scores.

    Raises      DoesNotApply for inputs that are not images, or before the first epoch is finished.
    """
    return patches_of(subject.program, subject.test_images, subject.about_best, subject.focus, most)


def patches_of(
    program: Program, images: Array, about: str, focus: Focus = Focus(), most: int = UNITS
) -> StrongestPatches:
    """The patches that the first units of a layer, or the unit in focus, answer to most."""
    model = in_our_layers(program)
    if focus.layer is None:
        place = _default_place(model, images.shape[1:])
    else:
        place = place_of(model, focus.layer)
    layers = model.layers[: place + 1]
    name = str(layers[-1].name)
    found = strongest(lambda x: program.activations(x)[name], images)
    if focus.unit is None:
        units = np.arange(min(most, len(found.values)))
    else:
        check_unit(layers[-1], len(found.values), focus.unit)
        units = np.array([focus.unit])
    images = images.astype(next(iter(model.parameters.values())).dtype)
    field = receptive_field(layers, images.shape[2:])
    patches, projections = [], []
    for unit in units:
        chosen, positions = images[found.examples[unit]], found.positions[unit]
        sent = back_to_pixels("projection", layers, chosen, np.full(len(chosen), unit), positions)
        where = [(int(p), int(q)) for p, q in positions]
        patches.append([field.cut(x, at) for x, at in zip(chosen, where, strict=True)])
        projections.append([field.cut(x, at) for x, at in zip(sent, where, strict=True)])
    return StrongestPatches(
        about=about,
        layer=name,
        shape=Sequential(*layers).output_shape(images.shape[1:]),
        units=units,
        values=found.values[units],
        patches=np.array(patches),
        projections=np.array(projections),
        images=len(images),
    )


def _default_place(model: Sequential, image: tuple[int, ...]) -> int:
    spatial, shape = [], image
    for k, layer in enumerate(model.layers):
        shape = layer.output_shape(shape)
        if len(shape) == 3:
            spatial.append(k)
    return spatial[-1] if spatial else scores_place(model)


def strongest(ask: Callable[[Array], Array], images: Array, most: int = NINE) -> Strongest:
    """Find for each unit of a layer the images, and the place in each, of its largest outputs.

    ask         the layer's output, [n, units, ...], to images[n, channels, height, width]
    Of equal outputs the first image comes first.
    """
    values, places = [], []
    for first in range(0, len(images), BATCH):
        y = ask(images[first : first + BATCH])
        width = y.shape[-1] if y.ndim == 4 else 1
        flat = y.reshape(*y.shape[:2], -1)
        values.append(flat.max(axis=2))
        places.append(flat.argmax(axis=2))
    value, place = np.concatenate(values), np.concatenate(places)
    order = np.argsort(-value, axis=0, kind="stable")[:most].T
    units = np.arange(value.shape[1])[:, None]
    where = place[order, units]
    return Strongest(
        values=value[order, units],
        examples=order,
        positions=np.stack([where // width, where % width], axis=2),
    )


@styled
def draw(view: StrongestPatches) -> Figure:
    pairs = min(PAIRS, len(view.units))
    rows = -(-len(view.units) // pairs)
    shape = " x ".join(map(str, view.shape))
    headline = f'The strongest patches of layer "{plain(view.layer, 20)}" ({shape})'
    key = (
        f"left: the {view.patches.shape[1]} patches of {view.images:,} images that the unit "
        "answers to most, and its answers; right: what of them it has found, by the projection of "
        "Zeiler and Fergus"
    )
    side = min(7.9 / pairs / 2, 2.6)
    page = figure((side + 0.3) * rows + 0.6, headline, f"{view.about}\n{key}")
    cells = page.subplots(rows, 2 * pairs, squeeze=False)
    for axes in cells.flat:
        axes.set_axis_off()
    for k, (left, right) in enumerate(cells.reshape(-1, 2)[: len(view.units)]):
        for axes, tiles in (
            (left, [as_rgb(tile) for tile in view.patches[k]]),
            (right, [signal_as_rgb(tile) for tile in view.projections[k]]),
        ):
            axes.imshow(mosaic(np.stack(tiles), 3, between=1.0), interpolation="none")
        most, least = view.values[k, 0], view.values[k, -1]
        left.set_title(f"unit {view.units[k]}: {most:.3g} to {least:.3g}", size=9)
    bar_of_shares(page, cells, "red is part of what it has found, blue of the opposite")
    return page
