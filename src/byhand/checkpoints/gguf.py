"""The header of a GGUF file: its metadata, and where each tensor lies. No tensor is read.

The file is mapped, so 40 GB cost no more than their header. A header is somebody else's claim:
every count, length and offset is held against the size of the file before anything is made of it.

Source      the specification, docs/gguf.md of ggml; versions 2 and 3, little endian.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from byhand.checkpoints.ggml_types import NUMBERED, BlockType
from byhand.errors import InputError

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32
MOST_DIMENSIONS = 4
# Far above every model there is. A file may be 40 GB of zeros, so its size alone bounds nothing.
MOST_TENSORS, MOST_FIELDS, MOST_ENTRIES, LONGEST_TEXT = 2**20, 2**16, 2**24, 2**24
STRING, ARRAY = 8, 9
SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
U32, U64 = SCALARS[4], SCALARS[10]
SMALLEST_PAIR = U64.size + U32.size + 1
SMALLEST_TENSOR = U64.size + U32.size + U64.size + U32.size + U64.size


@dataclass(frozen=True)
class GGUFTensor:
    """One tensor: its shape with the row last, as in NumPy, and where its bytes are."""

    name: str
    shape: tuple[int, ...]
    type: BlockType
    offset: int
    nbytes: int


@dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file says about itself. `data_offset`: where the header ends, with padding."""

    version: int
    metadata: Mapping[str, Any]
    tensors: tuple[GGUFTensor, ...]
    alignment: int
    data_offset: int
    file_size: int

    @property
    def architecture(self) -> str:
        """general.architecture, or "" where the file names none."""
        return str(self.metadata.get("general.architecture", ""))

    def field(self, name: str) -> Any:
        """A field of the architecture, such as "block_count" for llama.block_count, or None."""
        return self.metadata.get(f"{self.architecture}.{name}")


class LongArray:
    """An array in the metadata that stays in the file until it is asked for: a vocabulary has
    hundreds of thousands of entries, and most questions need none of them."""

    def __init__(self, path: Path, kind: int, length: int, start: int, end: int) -> None:
        self.path, self.kind, self.length = path, kind, length
        self.start, self.end = start, end

    def __len__(self) -> int:
        return self.length

    def values(self) -> list[Any]:
        """All entries, read now.

        Raises      InputError where the file is no longer the one whose header was read
        """
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.end - self.start)
        if self.kind == STRING:
            return self._texts(content)
        kind = SCALARS[self.kind]
        if len(content) != self.length * kind.size:
            raise damaged(self.path, "it became shorter while it was read")
        return [value for (value,) in kind.iter_unpack(content)]

    def _texts(self, content: bytes) -> list[str]:
        # A vocabulary again: no calls but those that are needed.
        texts, at, unpack = [], 0, U64.unpack_from
        try:
            for _ in range(self.length):
                end = at + 8 + unpack(content, at)[0]
                texts.append(str(content[at + 8 : end], "utf-8"))
                at = end
        except UnicodeDecodeError:
            raise damaged(self.path, f"the text at byte {self.start + at:,} is no UTF-8") from None
        except struct.error:
            raise damaged(self.path, "it became shorter while it was read") from None
        return texts


class Cursor:
    """Reads on and on, and never past the end."""

    def __init__(self, buffer: Any, path: Path) -> None:
        self.buffer, self.path = buffer, path
        self.at, self.end = 0, len(buffer)

    def left(self) -> int:
        return self.end - self.at

    def skip(self, count: int) -> int:
        """Where the next `count` bytes begin."""
        if count > self.left():
            raise damaged(
                self.path,
                f"at byte {self.at:,} the header needs {count:,} more bytes and "
                f"{self.left():,} are left",
            )
        start = self.at
        self.at += count
        return start

    def scalar(self, kind: struct.Struct) -> Any:
        return kind.unpack_from(self.buffer, self.skip(kind.size))[0]

    def string(self) -> str:
        length = self.scalar(U64)
        start = self.skip(length)
        if length > LONGEST_TEXT:
            raise damaged(self.path, f"the text at byte {start:,} claims {length:,} bytes")
        try:
            return str(self.buffer[start : start + length], "utf-8")
        except UnicodeDecodeError:
            raise damaged(self.path, f"the text at byte {start:,} is no UTF-8") from None

    def skip_strings(self, count: int) -> None:
        # The loop of a vocabulary: the checks of skip(), without a call for each word.
        buffer, at, end, unpack = self.buffer, self.at, self.end, U64.unpack_from
        for _ in range(count):
            if at + 8 > end:
                break
            at += 8 + unpack(buffer, at)[0]
        self.at, wanted = min(at, end), at
        if wanted > end:
            raise damaged(self.path, f"a list of {count:,} texts does not end within the file")


def damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is truncated or damaged: {reason}; fetch it again")


def read_gguf_header(path: Path) -> GGUFHeader:
    """The header of the file.

    Raises      InputError where there is no such file, or it isn't whole or isn't GGUF 2 or 3
    """
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty; expected a GGUF file")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return parse_gguf_header(mapped, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def parse_gguf_header(content: Any, path: Path) -> GGUFHeader:
    """The header of a file with this content: bytes, or a mapping of them.

    path        of the file, for messages and for the arrays that stay in it
    """
    cursor = Cursor(content, path)
    version = _version(cursor)
    tensors, pairs = cursor.scalar(U64), cursor.scalar(U64)
    for what, count, smallest, most in (
        ("tensors", tensors, SMALLEST_TENSOR, MOST_TENSORS),
        ("fields", pairs, SMALLEST_PAIR, MOST_FIELDS),
    ):
        fits = min(cursor.left() // smallest, most)
        if count > fits:
            raise damaged(cursor.path, f"it claims {count:,} {what}, and {fits:,} are possible")
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = cursor.string()
        if key in metadata:
            raise damaged(cursor.path, f"it holds the field {key[:80]!r} twice")
        metadata[key] = _reader(cursor, cursor.scalar(U32))()
    alignment = _alignment(cursor, metadata)
    claims = [_claim(cursor) for _ in range(tensors)]
    start = -(-cursor.at // alignment) * alignment
    placed = tuple(_placed(cursor, claim, start, alignment) for claim in claims)
    _check_apart(cursor.path, placed)
    return GGUFHeader(version, metadata, placed, alignment, start, cursor.end)


def _version(cursor: Cursor) -> int:
    magic = bytes(cursor.buffer[:4])
    if magic != MAGIC:
        raise InputError(
            f"{cursor.path} is no GGUF file: it begins with {magic!r}, not with {MAGIC!r}"
        )
    cursor.skip(4)
    version = int(cursor.scalar(U32))
    if version in (2, 3):
        return version
    if int.from_bytes(version.to_bytes(4, "little"), "big") in (1, 2, 3):
        raise InputError(
            f"{cursor.path} is a big-endian GGUF file; convert it to little endian "
            "(gguf-convert-endian of the gguf package)"
        )
    raise InputError(
        f"{cursor.path} is GGUF version {version}; byhand reads versions 2 and 3; "
        "convert the model again"
    )


def _reader(cursor: Cursor, kind: int) -> Callable[[], Any]:
    """What reads one value of this kind."""
    if kind in SCALARS:
        return lambda: cursor.scalar(SCALARS[kind])
    if kind == STRING:
        return cursor.string
    if kind == ARRAY:
        return lambda: _array(cursor)
    raise damaged(cursor.path, f"a field before byte {cursor.at:,} has the unknown type {kind}")


def _array(cursor: Cursor) -> list[Any] | LongArray:
    kind, length = cursor.scalar(U32), cursor.scalar(U64)
    if kind == ARRAY:
        raise damaged(cursor.path, "a field is a list of lists, which GGUF files do not use")
    smallest = SCALARS[kind].size if kind in SCALARS else U64.size
    fits = min(cursor.left() // smallest, MOST_ENTRIES)
    if length > fits:
        raise damaged(cursor.path, f"a list claims {length:,} entries, and {fits:,} are possible")
    if length <= 1024:
        read = _reader(cursor, kind)
        return [read() for _ in range(length)]
    start = cursor.at
    if kind == STRING:
        cursor.skip_strings(length)
    elif kind in SCALARS:
        cursor.skip(length * smallest)
    else:
        raise damaged(cursor.path, f"a list before byte {start:,} has the unknown type {kind}")
    return LongArray(cursor.path, kind, length, start, cursor.at)


def _alignment(cursor: Cursor, metadata: Mapping[str, Any]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    fits = isinstance(alignment, int) and 8 <= alignment <= 2**20 and not alignment % 8
    if not fits:
        raise damaged(cursor.path, f"general.alignment is a multiple of 8; found {alignment!r:.40}")
    return int(alignment)


Claim = tuple[str, tuple[int, ...], BlockType, int]


def _claim(cursor: Cursor) -> Claim:
    """One tensor as the header describes it: name, shape, type, offset in the data."""
    name, dimensions = cursor.string(), cursor.scalar(U32)
    if not 0 <= dimensions <= MOST_DIMENSIONS:
        raise damaged(cursor.path, f"tensor {name[:80]!r} claims {dimensions:,} dimensions")
    # The file has the row first.
    shape = tuple(cursor.scalar(U64) for _ in range(dimensions))[::-1]
    number, offset = cursor.scalar(U32), cursor.scalar(U64)
    if number not in NUMBERED:
        raise InputError(
            f"{cursor.path}: tensor {name[:80]!r} has the type number {number}, which byhand "
            "doesn't know; convert the model again, or quantize it to a type such as Q4_K_M"
        )
    return name, shape, NUMBERED[number], offset


def _placed(cursor: Cursor, claim: Claim, start: int, alignment: int) -> GGUFTensor:
    name, shape, kind, offset = claim
    row = shape[-1] if shape else 1
    if row % kind.block:
        raise damaged(
            cursor.path,
            f"tensor {name[:80]!r} has rows of {row:,}, and {kind.name} has blocks of {kind.block}",
        )
    nbytes = kind.nbytes(row, prod(shape))
    if offset % alignment:
        raise damaged(cursor.path, f"tensor {name[:80]!r} is not at a multiple of {alignment}")
    if start + offset + nbytes > cursor.end:
        raise damaged(
            cursor.path,
            f"tensor {name[:80]!r} ends at byte {start + offset + nbytes:,}, "
            f"and the file has {cursor.end:,}",
        )
    return GGUFTensor(name, shape, kind, start + offset, nbytes)


def _check_apart(path: Path, tensors: tuple[GGUFTensor, ...]) -> None:
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise damaged(path, "two tensors have one name")
    filled = sorted((t for t in tensors if t.nbytes), key=lambda tensor: tensor.offset)
    for first, second in pairwise(filled):
        if first.offset + first.nbytes > second.offset:
            raise damaged(path, f"tensors {first.name[:80]!r} and {second.name[:80]!r} overlap")
