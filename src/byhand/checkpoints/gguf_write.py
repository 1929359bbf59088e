"""A GGUF file, written tensor by tensor.

Source      docs/gguf.md of ggml, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from byhand.checkpoints.ggml_types import NUMBERED
from byhand.checkpoints.gguf import ARRAY, DEFAULT_ALIGNMENT, MAGIC, SCALARS, STRING
from byhand.checkpoints.numbers import Array

VERSION = 3
U32, I32, F32, BOOL = 4, 5, 6, 7
TYPE_NUMBERS = {kind.name: number for number, kind in NUMBERED.items()}


@dataclass(frozen=True)
class Field:
    """A field of the metadata, encoded: its key, and its type with its value."""

    key: str
    content: bytes


@dataclass(frozen=True)
class Written:
    """A tensor to be written: its rows come in pieces, as they are stored."""

    name: str
    shape: tuple[int, ...]
    kind: str
    pieces: Iterable[Array]

    @property
    def nbytes(self) -> int:
        type_ = NUMBERED[TYPE_NUMBERS[self.kind]]
        row = self.shape[-1] if self.shape else 1
        return type_.nbytes(row, int(np.prod(self.shape, dtype=np.int64)))


def _string(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def text(key: str, value: str) -> Field:
    return Field(key, struct.pack("<I", STRING) + _string(value))


def count(key: str, value: int) -> Field:
    return Field(key, struct.pack("<II", U32, value))


def real(key: str, value: float) -> Field:
    return Field(key, struct.pack("<If", F32, value))


def flag(key: str, value: bool) -> Field:
    return Field(key, struct.pack("<I?", BOOL, value))


def texts(key: str, values: Sequence[str]) -> Field:
    head = struct.pack("<IIQ", ARRAY, STRING, len(values))
    return Field(key, head + b"".join(map(_string, values)))


def numbers(key: str, values: Sequence[float], kind: int) -> Field:
    """A list; kind: I32 or F32."""
    head = struct.pack("<IIQ", ARRAY, kind, len(values))
    return Field(key, head + np.array(values, SCALARS[kind].format).tobytes())


def write_gguf(path: Path, fields: Sequence[Field], tensors: Sequence[Written]) -> None:
    """Write the file; each piece of a tensor is asked for when its turn comes."""
    with path.open("wb") as file:
        file.write(MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(fields)))
        for field in fields:
            file.write(_string(field.key) + field.content)
        offset = 0
        for tensor in tensors:
            shape = tensor.shape[::-1]
            file.write(_string(tensor.name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
            file.write(struct.pack("<IQ", TYPE_NUMBERS[tensor.kind], offset))
            offset += tensor.nbytes + _padding(tensor.nbytes)
        _pad(file)
        for tensor in tensors:
            for piece in tensor.pieces:
                file.write(np.ascontiguousarray(piece).data.cast("B"))
            _pad(file)


def _padding(size: int) -> int:
    return -size % DEFAULT_ALIGNMENT


def _pad(file: BinaryIO) -> None:
    file.write(bytes(_padding(file.tell())))
