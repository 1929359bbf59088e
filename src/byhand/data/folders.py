"""Your own pictures: one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from byhand.data.pictures import SUFFIXES, open_picture, resize, to_array
from byhand.data.splits import SHARES, Dataset, Split, divide
from byhand.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("train", "validation", "test")


def images(
    folder: str | Path,
    size: tuple[int, int] | None = None,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Dataset:
    """Load pictures from `folder/<class>/*.png` or `folder/train|validation|test/<class>/*.png`.

    In the first layout the pictures are divided into train, validation and test by `shares` and
    `seed`. In the second, train and test must be there; a missing validation is divided off train.

    Colour      Where every file is stored as gray (1, 8 or 16 bits, with alpha or without), there
                is one channel; where any is stored in colour, all become RGB, three channels.
                What is transparent becomes white.
    Size        (height, width): every picture is resized to it. None takes the pictures as they
                are, and they must then be of one size.
    Shapes      inputs[examples, channels, height, width] float32 in [0, 1]; targets[examples]
                int64, an index into `classes`, which are the folder names in order.
    Raises      InputError for an empty folder or class, a single class, a file that is not a
                picture, pictures of different sizes without `size`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: expected one with a sub folder per class")
    folders = {part: root / part for part in PARTS if (root / part).is_dir()} or {"all": root}
    if "all" not in folders and not {"train", "test"} <= set(folders):
        raise InputError(
            f"{root} has {' and '.join(folders)}: expected train and test, each with a sub folder "
            "per class, or class folders only"
        )
    classes = _classes(next(iter(folders.values())))
    files = {part: _files(path, classes) for part, path in folders.items()}
    pixels = _read([path for part in files.values() for path, _ in part], size)
    splits, start = {}, 0
    for part, labelled in files.items():
        labels = np.array([label for _, label in labelled], dtype=np.int64)
        splits[part] = Split(pixels[start : start + len(labels)], labels)
        start += len(labels)
    if "all" in splits:
        splits = dict(zip(PARTS, divide(splits["all"], shares, seed), strict=True))
    elif "validation" not in splits:
        kept, held_out = np.array(shares[:2]) / sum(shares[:2])
        splits["train"], splits["validation"] = divide(splits["train"], (kept, held_out), seed)
    train, validation, test = (splits[part] for part in PARTS)
    return Dataset(root.name, train, validation, test, classes)


def _classes(folder: Path) -> tuple[str, ...]:
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    if len(classes) < 2:
        found = f'only "{classes[0]}"' if classes else "none"
        raise InputError(f"{folder}: expected two or more class folders, found {found}")
    return tuple(classes)


def _files(folder: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """The pictures of one part, each with its label."""
    files = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."):
        if path.name not in classes:
            raise InputError(f"{path} is a class that the train folder does not have")
        pictures = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not pictures:
            raise InputError(f"{path} holds no picture: expected files {', '.join(SUFFIXES)}")
        files += [(picture, classes.index(path.name)) for picture in pictures]
    if not files:
        raise InputError(f"{folder} holds no class: expected a sub folder per class")
    return files


def _read(paths: list[Path], size: tuple[int, int] | None) -> NDArray[np.float32]:
    pictures = []
    for path in paths:
        picture = open_picture(path)
        pictures.append(picture if size is None else resize(picture, size))
        if picture.size != pictures[0].size and size is None:
            raise InputError(
                f"{path} is {_size(picture)} but {paths[0]} is {_size(pictures[0])} (height x "
                "width): pass size=(height, width) to resize all pictures"
            )
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    return np.stack([to_array(picture.convert(mode)) for picture in pictures])


def _size(picture: Image) -> str:
    return f"{picture.height} x {picture.width}"
