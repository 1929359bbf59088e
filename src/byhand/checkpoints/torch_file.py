"""Files of torch.save: read without PyTorch or executing anything, written tensor by tensor.

A zip archive, uncompressed: data.pkl says which tensors there are, data/0, data/1 … are their
storages. Every offset and length is held against the size of the file.

Source      `torch/serialization.py` of PyTorch 1.6 and later.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from byhand.checkpoints.description import Tensor
from byhand.checkpoints.numbers import DTYPES, Array
from byhand.checkpoints.pickled import Call, Name, Outside, read_pickle
from byhand.errors import InputError

LARGEST_PICKLE = 2**28
MOST_ENTRIES = 2**20
LOCAL_HEADER, ZIP64_EXTRA = 30, 20
ALIGNMENT = 64
REBUILDS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETER = "torch._utils._rebuild_parameter"
STORAGES = {
    "torch.FloatStorage": "F32",
    "torch.HalfStorage": "F16",
    "torch.BFloat16Storage": "BF16",
}
STORAGE_OF = {dtype: name.removeprefix("torch.") for name, dtype in STORAGES.items()}


@dataclass(frozen=True)
class Place:
    """Where numbers lie in a file."""

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> Array:
        """The numbers, read by their place: a mapping would count as memory in use."""
        with self.path.open("rb") as file:
            values = np.fromfile(file, DTYPES[self.dtype], prod(self.shape), offset=self.offset)
        if values.size != prod(self.shape):
            raise InputError(f"{self.path} became shorter while it was read; fetch it again")
        return cast(Array, values.reshape(self.shape))


class _Bounded(io.BufferedReader):
    """Refuses to read in one go what no list of entries needs: a zip file may claim any length."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_PICKLE:
            raise zipfile.BadZipFile(f"{size:,} bytes claimed")
        return super().read(size)


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a state_dict by name; each stays in the file until it is read.

    Raises      InputError where the file is not whole, holds anything but tensors of float32,
                float16 or bfloat16, or wants something executed
    """
    try:
        with path.open("rb") as raw, _Bounded(raw) as file:
            places, table = _open(file, path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(
            f"{path} is truncated or no file of torch.save since PyTorch 1.6 ({reason}); "
            "fetch it again, or load it in PyTorch and save it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if not isinstance(table, dict):
        raise InputError(f"{path} holds {_kind(table)}, expected a state_dict: names and tensors")
    return {str(name): _tensor(path, str(name), value, places) for name, value in table.items()}


def _open(file: _Bounded, path: Path) -> tuple[dict[str, tuple[int, int]], Any]:
    """Where each storage lies (offset, bytes), and what the pickle says."""
    size = path.stat().st_size
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise zipfile.BadZipFile(f"{len(entries):,} entries")
        inside = {entry.filename.partition("/")[2]: entry for entry in entries}
        if "data.pkl" not in inside or inside["data.pkl"].file_size > LARGEST_PICKLE:
            raise zipfile.BadZipFile("no data.pkl of a possible size")
        order = inside.get("byteorder")
        if order is not None and order.file_size < 16 and archive.read(order) == b"big":
            raise InputError(f"{path} is big-endian; save it again on a little-endian machine")
        table = read_pickle(archive.read(inside["data.pkl"]), path)
    places = {}
    for name, entry in inside.items():
        if name.startswith("data/"):
            places[name.removeprefix("data/")] = _extent(file, entry, size)
    return places, table


def _extent(file: _Bounded, entry: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise zipfile.BadZipFile(f"{entry.filename[:40]} is compressed")
    file.seek(entry.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\3\4":
        raise zipfile.BadZipFile(f"{entry.filename[:40]} has no header")
    name_length, extra_length = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    start = entry.header_offset + LOCAL_HEADER + name_length + extra_length
    if start + entry.file_size > size:
        raise zipfile.BadZipFile(f"{entry.filename[:40]} ends after the file")
    return start, entry.file_size


def _tensor(path: Path, name: str, value: Any, places: dict[str, tuple[int, int]]) -> Tensor:
    if isinstance(value, Call) and value.name == PARAMETER and value.arguments:
        value = value.arguments[0]
    if isinstance(value, Call) and value.name not in REBUILDS:
        raise InputError(
            f"{path}: {name[:80]!r} would call {value.name[:60]}, which byhand does not do; "
            "expected a state_dict of plain tensors"
        )
    try:
        outside, offset, shape, stride = value.arguments[:4]
        _, storage, key, _, _ = outside.key
        start, nbytes = places[str(key)]
    except (AttributeError, TypeError, ValueError, KeyError):
        raise InputError(f"{path}: {name[:80]!r} is {_kind(value)}, expected a tensor") from None
    dtype = STORAGES.get(storage.text) if isinstance(storage, Name) else None
    if not isinstance(outside, Outside) or dtype is None:
        found = storage.text if isinstance(storage, Name) else storage
        raise InputError(
            f"{path}: {name[:80]!r} is stored in {found!r:.60}; "
            "expected float32, float16 or bfloat16"
        )
    width = np.dtype(DTYPES[dtype]).itemsize
    if not _possible(shape, stride, offset) or width * (offset + prod(shape)) > nbytes:
        raise InputError(
            f"{path} is truncated or damaged: tensor {name[:80]!r} does not fit into its storage "
            f"of {nbytes:,} bytes; fetch it again"
        )
    place = Place(path, start + width * offset, dtype, tuple(shape))
    return Tensor(name, place.shape, dtype, place.read, place)


def _possible(shape: Any, stride: Any, offset: Any) -> bool:
    """Whether these are counts, of a tensor that lies in one piece, row after row."""
    numbers = (*shape, offset) if isinstance(shape, tuple) else (None,)
    if not all(type(n) is int and 0 <= n < 2**48 for n in numbers) or len(numbers) > 9:
        return False
    rows = tuple(prod(shape[k + 1 :]) for k in range(len(shape)))
    return all(n == 1 or have == want for n, have, want in zip(shape, stride, rows, strict=True))


def _kind(value: Any) -> str:
    return (
        f"a call of {value.name[:60]}" if isinstance(value, Call) else f"a {type(value).__name__}"
    )


@dataclass(frozen=True)
class _Storage:
    """Stands for the storage of a tensor while the pickle is written."""

    key: str
    dtype: str
    size: int


@dataclass(frozen=True)
class _Stored:
    """Stands for a tensor while the pickle is written."""

    storage: _Storage
    shape: tuple[int, ...]


def _pickled(table: Mapping[str, _Stored]) -> bytes:
    """The pickle of a state_dict, as torch.save writes it: each instruction by its letter."""
    parts = [b"\x80\x02}("]  # protocol 2, an empty table, a mark
    for name, tensor in table.items():
        storage, shape = tensor.storage, tensor.shape
        stride = tuple(prod(shape[k + 1 :]) for k in range(len(shape)))
        parts += [
            _literal(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            b"(" + _literal("storage") + f"ctorch\n{STORAGE_OF[storage.dtype]}\n".encode(),
            _literal(storage.key) + _literal("cpu") + _literal(storage.size) + b"tQ",
            _literal(0) + _literal(shape) + _literal(stride) + _literal(False),
            b"ccollections\nOrderedDict\n)RtR",
        ]
    return b"".join([*parts, b"u."])


def _literal(value: object) -> bytes:
    """The instructions that put a text, a count or a tuple of counts on the stack."""
    return pickle.dumps(value, 2)[2:-1]  # without the protocol and the end


def write_torch_file(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...], object]],
    values: Mapping[str, Iterable[Array]],
) -> None:
    """Write a file as torch.save does, one piece of one tensor in memory at a time.

    tensors     by name: type, shape, home; names with one home share their storage
    values      by name: the numbers, in pieces, row after row
    """
    homes: dict[object, _Storage] = {}
    table, first = {}, {}
    for name, (dtype, shape, home) in tensors.items():
        if home not in homes:
            homes[home] = _Storage(str(len(homes)), dtype, prod(shape))
            first[name] = homes[home]
        table[name] = _Stored(homes[home], shape)
    root = path.name.lstrip(".").partition(".")[0] or "archive"
    with path.open("wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            ("data.pkl", _pickled(table)),
            ("byteorder", b"little"),
            ("version", b"3\n"),
        ):
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}"), content)
        for name, storage in first.items():
            info = _aligned(f"{root}/data/{storage.key}", raw)
            with archive.open(info, "w", force_zip64=True) as entry:
                for piece in values[name]:
                    entry.write(np.ascontiguousarray(piece).data.cast("B"))


def _aligned(name: str, file: IO[bytes]) -> zipfile.ZipInfo:
    """An entry whose bytes begin at a multiple of 64, as PyTorch maps them."""
    info = zipfile.ZipInfo(name)
    begin = file.tell() + LOCAL_HEADER + len(name) + ZIP64_EXTRA + 4
    padding = -begin % ALIGNMENT
    info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    return info
