"""Opening picture files, whatever their mode, as plain gray or RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def open_picture(source: str | Path | Image) -> Image:
    """A picture in mode "L" (gray) or "RGB", turned upright, what is transparent shown on white.

    Raises      InputError where the file is missing, is not a picture, or is cut short.
    """
    from PIL import Image as pil
    from PIL import ImageOps

    if isinstance(source, pil.Image):
        return _flatten(source)
    try:
        with pil.open(source) as opened:
            return _flatten(ImageOps.exif_transpose(opened))
    except FileNotFoundError:
        raise InputError(f"{source} does not exist: expected a picture file") from None
    except (OSError, SyntaxError, ValueError, EOFError, pil.DecompressionBombError):
        # Pillow also raises SyntaxError for a broken PNG.
        raise InputError(
            f"{source} cannot be read as a picture: expected a whole PNG, JPEG or similar file"
        ) from None


def resize(picture: Image, size: tuple[int, int]) -> Image:
    """Resize to (height, width), averaging where it shrinks."""
    from PIL.Image import Resampling

    return picture.resize((size[1], size[0]), Resampling.HAMMING)


def to_array(picture: Image) -> NDArray[np.float32]:
    """[channels, height, width] in [0, 1]; one channel for gray, three for RGB."""
    pixels: NDArray[np.float32] = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _flatten(picture: Image) -> Image:
    from PIL import Image as pil

    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip and not scale
        values: NDArray[Any] = np.asarray(picture, dtype=np.float64) / 257
        return pil.fromarray(values.clip(0, 255).round().astype(np.uint8))
    if picture.mode in ("1", "L"):
        return picture.convert("L")
    if picture.mode == "LA" or picture.has_transparency_data:
        white = pil.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        return white.convert("L" if picture.mode == "LA" else "RGB")
    return picture.convert("RGB")
