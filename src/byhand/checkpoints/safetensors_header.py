"""The header of a safetensors file: which tensors it holds, and where. No tensor is read.

8 bytes with the length of the header, the header as JSON, the tensors without gaps. The header is
somebody else's claim: every number in it is held against the size of the file.

Source      the specification in the README of safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from byhand.errors import InputError

LONGEST_HEADER = 100_000_000  # bytes, as in the library itself
MOST_DIMENSIONS = 64
BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits per number, by the names that stand in a file."""


@dataclass(frozen=True)
class SafetensorsTensor:
    """One tensor, and where its bytes are in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a safetensors file says about itself."""

    metadata: Mapping[str, str]
    tensors: tuple[SafetensorsTensor, ...]
    data_offset: int
    file_size: int


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """The header of the file.

    Raises      InputError where there is no such file, or it isn't a whole safetensors file
    """
    try:
        with path.open("rb") as file:
            return parse_safetensors_header(file, path.stat().st_size, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def parse_safetensors_header(file: BinaryIO, size: int, path: Path) -> SafetensorsHeader:
    """The header of an open file of this size; path: its name in messages."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise damaged(path, f"its header claims {length:,} bytes of a file of {size:,}")
    fields = _parse(path, file.read(length))
    metadata = fields.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise damaged(path, "its __metadata__ is no table of texts")
    start = 8 + length
    tensors = tuple(_tensor(path, name, claim, start) for name, claim in fields.items())
    _check_gapless(path, tensors, start, size)
    return SafetensorsHeader(metadata, tensors, start, size)


def damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is truncated, damaged or no safetensors file: {reason}; fetch it again"
    )


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise damaged(path, "its header holds one name twice")
        return dict(pairs)

    try:
        fields = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise damaged(path, "its header is no JSON") from None
    if not isinstance(fields, dict):
        raise damaged(path, "its header is no table")
    return fields


def _tensor(path: Path, name: str, claim: Any, start: int) -> SafetensorsTensor:
    if not isinstance(claim, dict) or set(claim) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"tensor {name[:80]!r} needs dtype, shape and data_offsets")
    dtype, shape, offsets = claim["dtype"], claim["shape"], claim["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise InputError(
            f"{path}: tensor {name[:80]!r} has the type {dtype!r:.40}, which byhand doesn't know; "
            f"known are {', '.join(BITS)}"
        )
    if not _counts(shape, MOST_DIMENSIONS) or not _counts(offsets, 2) or len(offsets) != 2:
        raise damaged(path, f"tensor {name[:80]!r} has an impossible shape or offsets")
    begin, end = offsets
    bits = prod(shape) * BITS[dtype]
    if bits % 8 or end - begin != bits // 8:
        raise damaged(
            path,
            f"tensor {name[:80]!r} needs {bits / 8:,.0f} bytes by its shape and has "
            f"{end - begin:,} by its offsets",
        )
    return SafetensorsTensor(name, dtype, tuple(shape), start + begin, end - begin)


def _counts(value: Any, most: int) -> bool:
    """Whether this is a list of at most so many numbers, each from 0 to 2⁶³."""
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(type(number) is int and 0 <= number < 2**63 for number in value)
    )


def _check_gapless(
    path: Path, tensors: tuple[SafetensorsTensor, ...], start: int, size: int
) -> None:
    at = start
    for tensor in sorted(tensors, key=lambda t: (t.offset, t.nbytes)):
        if tensor.offset != at:
            what = "overlaps the one before" if tensor.offset < at else "leaves a gap before it"
            raise damaged(path, f"tensor {tensor.name[:80]!r} {what}")
        at += tensor.nbytes
    if at != size:
        raise damaged(path, f"its tensors end at byte {at:,}, and the file has {size:,}")
