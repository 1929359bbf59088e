"""Folders of pictures become data sets, or one line says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byhand.data import images
from byhand.errors import InputError


def save(path: Path, gray: int, size: tuple[int, int] = (4, 3), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, gray).convert(mode).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten cats of brightness 0-9 and ten dogs of brightness 100-109."""
    for i in range(10):
        save(tmp_path / "pets" / "cat" / f"{i}.png", i)
        save(tmp_path / "pets" / "dog" / f"{i}.jpg", 100 + i)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not a picture, and left alone")
    (tmp_path / "pets" / ".cache").mkdir()
    return tmp_path / "pets"


def test_class_folders_are_divided_by_seed(pets: Path) -> None:
    data = images(pets)
    assert (data.name, data.classes) == ("pets", ("cat", "dog"))
    assert data.input_shape == (1, 3, 4)
    assert [len(data.train), len(data.validation), len(data.test)] == [16, 2, 2]
    for split in (data.train, data.validation, data.test):
        assert split.inputs.dtype == np.float32
        np.testing.assert_array_equal(split.inputs.max(axis=(1, 2, 3)) > 0.2, split.targets == 1)
    np.testing.assert_array_equal(images(pets).train.inputs, data.train.inputs)
    assert not np.array_equal(images(pets, seed=1).train.targets, data.train.targets)
    assert len(images(pets, shares=(0.5, 0.25, 0.25)).train) == 10


def test_given_parts_are_kept_and_a_missing_validation_comes_from_train(tmp_path: Path) -> None:
    for name, label in (("cat", 0), ("dog", 200)):
        for i in range(9):
            save(tmp_path / "train" / name / f"{i}.png", label)
        save(tmp_path / "test" / name / "0.png", label)
    data = images(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == [16, 2, 2]
    np.testing.assert_array_equal(data.test.targets, [0, 1])
    save(tmp_path / "validation" / "dog" / "0.png", 200)
    data = images(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == [18, 1, 2]
    assert data.validation.targets.tolist() == [1]


def test_one_colour_file_makes_all_rgb(pets: Path) -> None:
    save(pets / "dog" / "colour.png", 50, mode="RGB")
    assert images(pets).input_shape == (3, 3, 4)


def test_size_resizes(pets: Path) -> None:
    save(pets / "dog" / "large.png", 50, size=(90, 60))
    assert images(pets, size=(28, 20)).input_shape == (1, 28, 20)


def different_sizes(pets: Path) -> str:
    save(pets / "dog" / "large.png", 50, size=(90, 60))
    return (
        f"{pets}/dog/large.png is 60 x 90 but {pets}/cat/0.png is 3 x 4 (height x width): "
        "pass size=(height, width) to resize all pictures"
    )


def unreadable(pets: Path) -> str:
    (pets / "dog" / "5.jpg").write_text("nothing")
    return (
        f"{pets}/dog/5.jpg cannot be read as a picture: expected a whole PNG, JPEG or similar file"
    )


def empty_class(pets: Path) -> str:
    (pets / "bird").mkdir()
    return (
        f"{pets}/bird holds no picture: expected files "
        ".png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff"
    )


def single_class(pets: Path) -> str:
    (pets / "dog").rename(pets.parent / "elsewhere")
    return f'{pets}: expected two or more class folders, found only "cat"'


def no_class(pets: Path) -> str:
    for name in ("cat", "dog"):
        (pets / name).rename(pets.parent / name)
    return f"{pets}: expected two or more class folders, found none"


def no_folder(pets: Path) -> str:
    pets.rename(pets.parent / "moved")
    return f"{pets} is not a folder: expected one with a sub folder per class"


def no_train(pets: Path) -> str:
    (pets / "test").mkdir()
    return (
        f"{pets} has test: expected train and test, each with a sub folder per class, "
        "or class folders only"
    )


def other_class_in_test(pets: Path) -> str:
    save(pets / "train" / "cat" / "0.png", 0)
    save(pets / "train" / "dog" / "0.png", 0)
    save(pets / "test" / "bird" / "0.png", 0)
    return f"{pets}/test/bird is a class that the train folder does not have"


def empty_test(pets: Path) -> str:
    save(pets / "train" / "cat" / "0.png", 0)
    save(pets / "train" / "dog" / "0.png", 0)
    (pets / "test").mkdir()
    return f"{pets}/test holds no class: expected a sub folder per class"


@pytest.mark.parametrize(
    "spoil",
    [
        different_sizes,
        unreadable,
        empty_class,
        single_class,
        no_class,
        no_folder,
        no_train,
        other_class_in_test,
        empty_test,
    ],
)
def test_mistakes_are_said_in_one_line(pets: Path, spoil: Callable[[Path], str]) -> None:
    message = spoil(pets)
    with pytest.raises(InputError) as caught:
        images(pets)
    assert str(caught.value) == message
