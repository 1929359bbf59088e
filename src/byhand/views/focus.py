"""What to look at, where a view can choose: an image, a layer, a unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from byhand.errors import InputError, nearest
from byhand.layers import Layer, Sequential


@dataclass(frozen=True)
class Focus:
    """None leaves the choice to the view.

    example     a test example by its place in the test set
    picture     a picture file in place of a test example
    layer       the name of a layer
    unit        one of its units: a channel, where it has images of units
    """

    example: int | None = None
    picture: Path | None = None
    layer: str | None = None
    unit: int | None = None

    def __post_init__(self) -> None:
        if self.example is not None and self.picture is not None:
            raise InputError("look at a test example or at a picture; found both, leave one out")


def place_of(model: Sequential, name: str) -> int:
    """Where the layer of this name stands in the model.

    Raises      InputError, which names the nearest layer there is.
    """
    names = [str(layer.name) for layer in model.layers]
    if name not in names:
        raise InputError(
            f"no layer {name!r}; {nearest(name, names, 'there is ' + ', '.join(names))}"
        )
    return names.index(name)


def check_unit(layer: Layer, units: int, unit: int) -> None:
    """Raises      InputError where a layer of so many units has no such one."""
    if not 0 <= unit < units:
        raise InputError(f"layer {layer.name} has the units 0 to {units - 1}; found {unit}")
