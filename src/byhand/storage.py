"""Files written whole, and recognised when damaged.

A file is written to a temporary name in the same folder, flushed to the disk, then renamed: a
reader finds the old file or the new one, never a half, also after `kill -9` or with two writers at
once. Tensors are stored as safetensors with a SHA-256 of all they hold.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import DamagedFileError

Array = NDArray[Any]
_CHECKSUM = "byhand.sha256"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` if the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
            _flush(temporary)
        # mkstemp makes files private; a finished file gets the rights of any new file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _flush(path.parent)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError from within the block name this file: one from a full disk names none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(
    path: str | Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and text metadata as one safetensors file that carries its checksum."""
    from safetensors.numpy import save

    # safetensors writes an array's memory as it lies there, so it has to lie in C order.
    ordered = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    sealed = dict(metadata or {})
    sealed[_CHECKSUM] = _seal(ordered, sealed)
    with atomic(path) as temporary:
        # Not save_file, whose error for a full disk is not an OSError.
        temporary.write_bytes(save(ordered, metadata=sealed))


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read what `write_tensors` wrote: (arrays by name, metadata).

    Raises      FileNotFoundError where there is no such file; DamagedFileError where the file is
                truncated, altered, or was not written by byhand.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with safe_open(path, framework="np") as file:
            metadata: dict[str, str] = dict(file.metadata() or {})
            tensors: dict[str, Array] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise DamagedFileError(
            f"{path} is damaged or not a safetensors file ({error}): restore it or write it again"
        ) from None
    if metadata.pop(_CHECKSUM, "") != _seal(tensors, metadata):
        raise DamagedFileError(
            f"{path} does not match the checksum it carries, so it was altered after byhand wrote "
            "it: restore it or write it again"
        )
    return tensors, metadata


def checksum(*arrays: Array) -> str:
    """SHA-256, in hex, over the dtype, the shape and the bytes of each array in turn."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape};".encode())
        digest.update(np.asarray(array, order="C").data)
    return digest.hexdigest()


def _seal(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    names = sorted(tensors)
    described = f"{names}{sorted(metadata.items())}{checksum(*(tensors[name] for name in names))}"
    return hashlib.sha256(described.encode()).hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def shipped(folder: str) -> Path:
    """Where recipes/ or examples/ is: inside the installed package, or, for people to read, at the
    top of the repository."""
    package = Path(__file__).parent
    inside = package / folder
    return inside if inside.is_dir() else package.parents[1] / folder
