"""Files are written whole, and damage is recognised."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from byhand import storage
from byhand.errors import DamagedFileError
from byhand.storage import atomic, checksum, read_tensors, shipped, write_tensors, write_text

TENSORS = {
    "hidden.W": np.arange(12, dtype=np.float64).reshape(3, 4),
    "hidden.b": np.array([1.5, -2.5], dtype=np.float32),
    "step": np.array(7, dtype=np.int64),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "empty": np.zeros((0, 3), dtype=np.float32),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    write_tensors(path, TENSORS, {"epoch": "3"})
    return path


def test_tensors_come_back_as_they_were(file: Path) -> None:
    tensors, metadata = read_tensors(file)
    assert metadata == {"epoch": "3"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        np.testing.assert_array_equal(tensors[name], tensor)


def test_other_readers_of_safetensors_read_it(file: Path) -> None:
    from safetensors.numpy import load_file

    np.testing.assert_array_equal(load_file(file)["transposed"], TENSORS["transposed"])


def test_every_flipped_byte_is_found(file: Path) -> None:
    whole = file.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x01
        file.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match=r"model\.safetensors"):
            read_tensors(file)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_truncated_file_is_named(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DamagedFileError) as caught:
        read_tensors(file)
    assert str(caught.value).startswith(f"{file} is damaged or not a safetensors file (")
    assert str(caught.value).endswith("): restore it or write it again")


def test_an_altered_file_is_named(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 0x80
    file.write_bytes(content)
    with pytest.raises(DamagedFileError) as caught:
        read_tensors(file)
    assert str(caught.value) == (
        f"{file} does not match the checksum it carries, so it was altered after byhand wrote it: "
        "restore it or write it again"
    )


def test_a_missing_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors does not exist"):
        read_tensors(tmp_path / "nothing.safetensors")


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_text_is_utf8(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "first" / "config.toml"
    write_text(path, "rate = 'η'\n")
    assert path.read_bytes() == "rate = 'η'\n".encode()


def test_a_file_gets_the_rights_of_any_new_file(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    def write(value: int) -> None:
        write_tensors(path, {"W": np.full((200, 200), value)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(16)))
    W = read_tensors(path)[0]["W"]
    assert len(np.unique(W)) == 1
    assert os.listdir(tmp_path) == ["model.safetensors"]  # noqa: PTH208


def test_checksum_sees_values_shape_dtype_and_order() -> None:
    a, b = np.arange(6), np.arange(6) + 1
    variants = [
        (a,),
        (b,),
        (a.reshape(2, 3),),
        (a.astype(np.int32),),
        (a, b),
        (b, a),
        (np.concatenate([a, b]),),
    ]
    assert len({checksum(*arrays) for arrays in variants}) == len(variants)
    assert checksum(a.reshape(2, 3).T) == checksum(a.reshape(2, 3).T.copy())
    assert checksum(np.array([1, 2], dtype=np.uint8)) == (
        "1758fb41be72dcf1c91b3f3acf9f78d102e8b6f2dd6b973e9efec38d216ebbd8"
    )


def test_what_is_shipped_lies_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "byhand"
    monkeypatch.setattr(storage, "__file__", str(package / "storage.py"))
    assert shipped("recipes") == tmp_path / "recipes"
    (package / "recipes").mkdir(parents=True)
    assert shipped("recipes") == package / "recipes"
