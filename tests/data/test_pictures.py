"""Every mode of picture becomes plain gray or RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byhand.data.pictures import open_picture, resize, to_array
from byhand.errors import InputError


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, 255),
        ("L", 100, 100),
        ("LA", (100, 255), 100),
        ("LA", (100, 0), 255),
        ("I;16", 257 * 100, 100),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 0), (255, 255, 255)),
        ("P", 0, (9, 8, 7)),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: int, expected: int) -> None:
    picture = Image.new(mode, (3, 2), colour)
    if mode == "P":
        picture.putpalette([9, 8, 7] * 256)
    picture.save(tmp_path / "picture.png")
    opened = open_picture(tmp_path / "picture.png")
    assert opened.mode == ("L" if isinstance(expected, int) else "RGB")
    assert opened.getpixel((2, 1)) == expected
    assert open_picture(picture).getpixel((2, 1)) == expected


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (30, 20)).save(tmp_path / "photo.jpg", exif=exif)
    assert open_picture(tmp_path / "photo.jpg").size == (20, 30)


def test_arrays_have_channels_first() -> None:
    picture = Image.new("RGB", (5, 4), (255, 0, 51))
    array = to_array(resize(picture, (2, 3)))
    assert array.shape == (3, 2, 3)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array[:, 0, 0], [1, 0, 0.2])
    assert to_array(Image.new("L", (5, 4))).shape == (1, 4, 5)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_picture(tmp_path / "no.png")
    assert str(caught.value) == f"{tmp_path}/no.png does not exist: expected a picture file"


@pytest.mark.parametrize("kept", [0, 20, 200])
def test_what_is_not_a_whole_picture_is_said(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError) as caught:
        open_picture(path)
    assert str(caught.value) == (
        f"{path} cannot be read as a picture: expected a whole PNG, JPEG or similar file"
    )
    path.write_text("not a picture")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        open_picture(path)
    with pytest.raises(InputError, match="cannot be read as a picture"):
        open_picture(tmp_path)
