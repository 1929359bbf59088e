"""From any picture to what a network was trained on.

Source      LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
            recognition", Proc. IEEE 86(11), 1998, section III.A: digits scaled into a 20 x 20 box
            with their aspect kept, then centred in 28 x 28 by their centre of mass.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from byhand.data.pictures import open_picture, resize, to_array
from byhand.data.splits import Dataset
from byhand.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.float32]

FIELD, BOX = 28, 20
CONTRAST = 0.15  # the least difference between ink and paper that counts as ink, of 1
FAINT = 0.25  # of the darkest ink: what is fainter is paper grain or the blur of an edge


def prepare_digit(source: str | Path | Image) -> tuple[Pixels, list[str]]:
    """Make a picture of one digit look like MNIST: white on black, 28 x 28, centred.

    The paper's brightness is the median of the picture's border, and ink is what differs from it,
    whichever of the two is darker. The ink is cropped, scaled to 20 pixels on its longer side and
    placed so that its centre of mass is at the centre. Uneven light on the paper is not corrected.

    Shapes      [1, 28, 28] float32 in [0, 1], and notes on what was done, to show to the user
    Raises      InputError where the file is missing, is not a picture, or is blank.
    """
    picture = open_picture(source)
    gray = to_array(picture.convert("L"))[0]
    if _is_mnist(gray):
        return gray[np.newaxis], ["already 28 x 28, white on black and centred: left as it is"]
    notes = [_seen(picture)]
    ink, inverted = _ink(gray, str(source) if isinstance(source, str | Path) else "the picture")
    notes.append("dark on light: inverted" if inverted else "light on dark: kept")
    top, bottom, left, right = _box(ink)
    ink = ink[top:bottom, left:right]
    height, width = ink.shape
    scaled = _scale(ink)
    notes.append(f"cropped to the ink, {height} x {width}")
    notes.append(f"scaled to {scaled.shape[0]} x {scaled.shape[1]}")
    notes.append("centred by centre of mass in 28 x 28")
    return _centre(scaled)[np.newaxis], notes


def prepare_image(
    source: str | Path | Image, shape: tuple[int, int, int]
) -> tuple[Pixels, list[str]]:
    """Make any picture the shape [channels, height, width] a network was trained on.

    Plain: gray for one channel, RGB for three, then resized; polarity and aspect are not looked at.

    Shapes      `shape` float32 in [0, 1], and notes on what was done
    Raises      InputError where the file is missing or not a picture, or channels is not 1 or 3.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise InputError(f"expected 1 channel (gray) or 3 (RGB) for a picture, found {channels}")
    picture = open_picture(source)
    mode = "L" if channels == 1 else "RGB"
    notes = [_seen(picture)]
    if picture.mode != mode:
        notes.append(f"made {'gray' if mode == 'L' else 'RGB'}")
    if picture.size != (width, height):
        notes.append(f"resized to {height} x {width}")
    return to_array(resize(picture.convert(mode), (height, width))), notes


def prepare(source: str | Path | Image, dataset: Dataset) -> tuple[Pixels, list[str]]:
    """A picture as the networks of this data set take it: as a digit of MNIST, or resized.

    Shapes      that of an example, and notes on what was done
    Raises      InputError as the function that does it.
    """
    if dataset.name == "mnist":
        return prepare_digit(source)
    channels, height, width = dataset.input_shape
    return prepare_image(source, (channels, height, width))


def _seen(picture: Image) -> str:
    return f"read {picture.height} x {picture.width} {'gray' if picture.mode == 'L' else 'RGB'}"


def _is_mnist(gray: Pixels) -> bool:
    """28 x 28, black paper, ink of 20 pixels on its longer side with its mass at the centre."""
    if gray.shape != (FIELD, FIELD) or _border(gray) > 0 or gray.max() < 0.5:
        return False
    top, bottom, left, right = _box(gray, faint=0.0)
    off_centre = np.abs(np.array(_centre_of_mass(gray)) - FIELD / 2).max()
    return abs(max(bottom - top, right - left) - BOX) <= 2 and bool(off_centre <= 1)


def _border(gray: Pixels) -> float:
    return float(np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])))


def _ink(gray: Pixels, name: str) -> tuple[Pixels, bool]:
    """How much each pixel differs from the paper, in [0, 1], and whether the ink is the darker."""
    paper = _border(gray)
    darker, lighter = paper - float(gray.min()), float(gray.max()) - paper
    if max(darker, lighter) < CONTRAST:
        raise InputError(
            f"{name} is blank: expected a digit that differs from its background by at least "
            f"{CONTRAST:.0%} of the range from black to white, found {max(darker, lighter):.0%}"
        )
    inverted = darker > lighter
    ink = (paper - gray) / darker if inverted else (gray - paper) / lighter
    return ink.clip(0, 1), inverted


def _box(ink: Pixels, faint: float = FAINT) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((ink > faint).any(1))[0], np.nonzero((ink > faint).any(0))[0]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _scale(ink: Pixels) -> Pixels:
    from PIL import Image as pil

    height, width = ink.shape
    factor = BOX / max(height, width)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    scaled: Pixels = np.array(resize(pil.fromarray(ink), size), dtype=np.float32)
    # A thin line grows faint when averaged; MNIST's strokes are white at their core.
    scaled /= scaled.max()
    return scaled


def _centre_of_mass(ink: Pixels) -> tuple[float, float]:
    total = ink.sum()
    row = (ink.sum(1) * np.arange(ink.shape[0])).sum() / total
    column = (ink.sum(0) * np.arange(ink.shape[1])).sum() / total
    return float(row), float(column)


def _centre(scaled: Pixels) -> Pixels:
    """Place the ink so that its centre of mass falls on pixel (14, 14), as in MNIST."""
    field = np.zeros((FIELD, FIELD), dtype=np.float32)
    starts = []
    for mass, length in zip(_centre_of_mass(scaled), scaled.shape, strict=True):
        starts.append(min(max(round(FIELD / 2 - mass), 0), FIELD - length))
    top, left = starts
    field[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return field
