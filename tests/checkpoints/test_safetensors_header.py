"""Safetensors headers: as the library writes them, and as nobody should."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from byhand.checkpoints.safetensors_header import (
    SafetensorsHeader,
    parse_safetensors_header,
    read_safetensors_header,
)
from byhand.errors import InputError

HERE = Path("here.safetensors")
ARRAYS = {
    "a.weight": np.zeros((3, 5), np.float32),
    "b": np.zeros((), np.float64),
    "c": np.zeros((2, 0), np.int8),
    "d": np.zeros((7,), np.float16),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("safetensors") / "tiny.safetensors"
    save_file(ARRAYS, file, metadata={"format": "np"})
    return file


def packed(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_the_header_is_what_the_library_wrote(path: Path) -> None:
    header = read_safetensors_header(path)
    assert header.metadata == {"format": "np"}
    found = {tensor.name: (tensor.shape, tensor.nbytes) for tensor in header.tensors}
    assert found == {name: (array.shape, array.nbytes) for name, array in ARRAYS.items()}
    assert {t.name: t.dtype for t in header.tensors} == {
        "a.weight": "F32",
        "b": "F64",
        "c": "I8",
        "d": "F16",
    }
    assert header.file_size == path.stat().st_size


def test_forty_gigabytes_are_read_by_their_header(tmp_path: Path) -> None:
    file = tmp_path / "huge.safetensors"
    content = packed({"w": entry("BF16", [20_000_000, 1024], [0, 40_960_000_000])})
    file.write_bytes(content)
    with file.open("ab") as sparse:
        sparse.truncate(len(content) + 40_960_000_000)
    assert read_safetensors_header(file).tensors[0].nbytes == 40_960_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its header claims 0 bytes of a file of 0"),
        (b"\x01", "its header claims 1 bytes of a file of 1"),
        (
            packed(b"{}", length=2**62),
            "its header claims 4,611,686,018,427,387,904 bytes of a file of 10",
        ),
        (packed(b"{]"), "its header is no JSON"),
        (packed(b"[" * 50_000), "its header is no JSON"),
        (packed(b'{"w": ' + b"9" * 5000 + b"}"), "its header is no JSON"),
        (packed([1]), "its header is no table"),
        (packed(b'{"w": 1, "w": 2}'), "its header holds one name twice"),
        (packed({"__metadata__": {"a": 1}}), "its __metadata__ is no table of texts"),
        (packed({"w": {"dtype": "F32"}}), "tensor 'w' needs dtype, shape and data_offsets"),
        (packed({"w": entry(shape=[-2])}), "tensor 'w' has an impossible shape or offsets"),
        (packed({"w": entry(shape=[True])}), "tensor 'w' has an impossible shape or offsets"),
        (packed({"w": entry(offsets=[0])}), "tensor 'w' has an impossible shape or offsets"),
        (
            packed({"w": entry(shape=[2**40, 2**40])}),
            "tensor 'w' needs 4,835,703,278,458,516,698,824,704 bytes by its shape and has 8 by "
            "its offsets",
        ),
        (
            packed({"v": entry(), "w": entry(offsets=(4, 12))}, bytes(12)),
            "tensor 'w' overlaps the one before",
        ),
        (packed({"w": entry(offsets=(8, 16))}, bytes(16)), "tensor 'w' leaves a gap before it"),
        (
            packed({"w": entry()}, bytes(4)),
            "its tensors end at byte 77, and the file has 73",
        ),
    ],
)
def test_a_hostile_header_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_safetensors_header(file)
    whole = f"{file} is truncated, damaged or no safetensors file: {message}; fetch it again"
    assert str(error.value) == whole


def test_an_unknown_type_is_named(tmp_path: Path) -> None:
    file = tmp_path / "new.safetensors"
    file.write_bytes(packed({"w": entry("F3")}, bytes(8)))
    with pytest.raises(
        InputError, match=r"tensor 'w' has the type 'F3', which byhand doesn't know"
    ):
        read_safetensors_header(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.safetensors cannot be read: No such file"):
        read_safetensors_header(tmp_path / "x.safetensors")


def check_one_line(message: str) -> None:
    assert message.startswith(str(HERE))
    assert "\n" not in message


def parse(content: bytes) -> SafetensorsHeader | None:
    """The header, or None where one clear line refuses it; anything else fails the test."""
    try:
        header = parse_safetensors_header(io.BytesIO(content), len(content), HERE)
    except InputError as error:
        check_one_line(str(error))
        return None
    assert all(t.offset + t.nbytes <= len(content) for t in header.tensors)
    return header


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    assert parse(whole) is not None
    assert not any(parse(whole[:length]) for length in range(len(whole)))


@given(flips=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6))
@settings(max_examples=400, deadline=None)
def test_flipped_bytes_never_crash_it(path: Path, flips: list[tuple[int, int]]) -> None:
    whole = bytearray(path.read_bytes())
    for place, value in flips:
        whole[place % len(whole)] = value
    parse(bytes(whole))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "w"]), inner
        )
    ),
    max_leaves=12,
)


@given(header=JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_never_crashes_it(header: Any) -> None:
    parse(packed(header, bytes(8)))
