"""More images from those there are: moved, turned, scaled and sheared by so little that they still
show the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from byhand.data.splits import Split
from byhand.errors import InputError, ShapeError
from byhand.randomness import stream

Array = NDArray[Any]
AT_ONCE = 1000
"""How many images are transformed together: their positions take some memory."""


def with_shifts(split: Split, pixels: int = 1) -> Split:
    """The examples, and each of them moved up, down, left and right: five times as many.

    What moves out of the image is lost, and zeros come in at the other side.

    Shapes      inputs[examples, channels, height, width] -> inputs[5 examples, …]
    Source      Nielsen, Neural Networks and Deep Learning, ch. 6 (his expand_mnist.py).
    Raises      ShapeError where the inputs are not images; InputError where pixels is below 1.
    """
    _check_images(split.inputs)
    if pixels < 1:
        raise InputError(f"pixels is at least 1, found {pixels}")
    ways = [(-pixels, 0), (pixels, 0), (0, -pixels), (0, pixels)]
    return _with_copies(split, (shifted(split.inputs, *way) for way in ways), len(ways))


def shifted(images: Array, down: int, right: int) -> Array:
    """Every image moved by whole pixels, up and left where they are negative; zeros come in."""
    height, width = images.shape[-2:]
    moved = np.zeros_like(images)
    to_rows, from_rows = _overlap(down, height)
    to_columns, from_columns = _overlap(right, width)
    moved[..., to_rows, to_columns] = images[..., from_rows, from_columns]
    return moved


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    """Where pixels arrive that move by so many, and where they come from."""
    by = max(-size, min(by, size))
    return slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size + min(-by, 0))


@dataclass(frozen=True)
class Affine:
    """How far an image may be changed; each number is drawn evenly from −limit to limit.

    degrees     of the turn about the centre
    scale       of the size: a factor from 1 − scale to 1 + scale
    shear       how many pixels a row moves to the side per pixel that it is above the centre
    shift       of the whole image, in pixels, by rows and by columns
    """

    degrees: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < np.inf:
                raise InputError(f"Affine: {name} is a limit of at least 0, found {value}")
        if self.scale >= 1:
            raise InputError(f"Affine: scale is below 1, found {self.scale}")

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """maps[count, 2, 3]: a pixel at (row, column) from the centre moves to maps (row, column,
        1)."""
        turn, scale, shear, down, right = rng.uniform(-1, 1, (5, count))
        turn = np.deg2rad(self.degrees * turn)
        cos, sin = np.cos(turn), np.sin(turn)
        shear = self.shear * shear
        maps = np.empty((count, 2, 3))
        # First sheared, then turned, then scaled: s [[cos, −sin], [sin, cos]] [[1, 0], [−k, 1]].
        maps[:, 0, 0], maps[:, 0, 1] = cos + sin * shear, -sin
        maps[:, 1, 0], maps[:, 1, 1] = sin - cos * shear, cos
        maps[:, :, :2] *= (1 + self.scale * scale)[:, None, None]
        maps[:, 0, 2], maps[:, 1, 2] = self.shift * down, self.shift * right
        return maps


def with_affine(split: Split, copies: int, seed: int, limits: Affine = Affine()) -> Split:
    """The examples, and so many copies of each, every one changed in a way of its own.

    Shapes      inputs[examples, channels, height, width] -> inputs[(1 + copies) examples, …]
    Raises      ShapeError where the inputs are not images; InputError where copies is below 1.
    """
    _check_images(split.inputs)
    if copies < 1:
        raise InputError(f"copies is at least 1, found {copies}")
    draws = (limits.draw(stream(seed, "augmentation", k), len(split)) for k in range(copies))
    return _with_copies(split, (transformed(split.inputs, maps) for maps in draws), copies)


def _with_copies(split: Split, copies: Iterable[Array], count: int) -> Split:
    """The examples, and behind them so many copies, made one after the other: of a large data set
    there is room for all of them, but not for all of them twice."""
    n = len(split)
    inputs = np.empty(((1 + count) * n, *split.inputs.shape[1:]), split.inputs.dtype)
    inputs[:n] = split.inputs
    for k, copy in enumerate(copies, start=1):
        inputs[k * n : (k + 1) * n] = copy
    return Split(inputs, np.concatenate([split.targets] * (1 + count)))


def transformed(images: Array, maps: Array) -> Array:
    """Each image under its own affine map, with zeros where nothing comes from.

    A pixel of the result is looked up where it comes from. That lies between four pixels, and is
    their mean, each weighted by how near it is (bilinear interpolation).

    Shapes      images[batch, channels, height, width]   maps[batch, 2, 3] as from `Affine.draw`
    """
    _check_images(images)
    out = np.empty_like(images)
    for first in range(0, len(images), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        out[part] = _transformed(images[part], maps[part])
    return out


def _transformed(images: Array, maps: Array) -> Array:
    batch, channels, height, width = images.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])[:, None]
    places = np.indices((height, width)).reshape(2, -1) - centre
    back = np.linalg.inv(maps[:, :, :2])
    sources = back @ (places - maps[:, :, 2:]) + centre
    corners = np.floor(sources)
    beyond = (sources - corners).astype(images.dtype)
    # In a border of zeros, to which everything from further away is drawn in.
    bordered = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)])
    pixels = bordered.reshape(batch, channels, -1)
    out = np.zeros((batch, channels, height * width), images.dtype)
    for below in (0, 1):
        for right in (0, 1):
            rows = np.clip(corners[:, 0] + below + 1, 0, height + 1).astype(np.intp)
            columns = np.clip(corners[:, 1] + right + 1, 0, width + 1).astype(np.intp)
            near_row = beyond[:, 0] if below else 1 - beyond[:, 0]
            near_column = beyond[:, 1] if right else 1 - beyond[:, 1]
            indices = rows * (width + 2) + columns
            values = np.take_along_axis(pixels, indices[:, None], axis=2)
            out += values * (near_row * near_column)[:, None]
    return out.reshape(images.shape)


def _check_images(inputs: Array) -> None:
    if inputs.ndim != 4:
        raise ShapeError(
            f"inputs have shape {inputs.shape}, expected images [examples, channels, height, "
            "width]: only images are augmented"
        )


@dataclass(frozen=True)
class Shifts:
    """How a recipe asks for `with_shifts`."""

    pixels: int = 1

    times: ClassVar[int] = 5

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise InputError(f"pixels is at least 1, found {self.pixels}")

    def apply(self, split: Split, seed: int) -> Split:
        return with_shifts(split, self.pixels)


@dataclass(frozen=True)
class AffineCopies(Affine):
    """How a recipe asks for `with_affine`."""

    copies: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies < 1:
            raise InputError(f"copies is at least 1, found {self.copies}")

    @property
    def times(self) -> int:
        return 1 + self.copies

    def apply(self, split: Split, seed: int) -> Split:
        return with_affine(split, self.copies, seed, self)
