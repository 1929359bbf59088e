"""Weights of eight bits, kept beside the conversion that they were rounded from: the rounding takes
longer than reading what came of it.

NumPy alone reads them, so that this goes on while PyTorch is imported.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from byhand.checkpoints import Checkpoint
from byhand.checkpoints.numbers import Array
from byhand.data import cache_folder
from byhand.errors import DamagedFileError
from byhand.storage import read_tensors, write_tensors

logger = logging.getLogger(__name__)
ENDING = ".int8.safetensors"
SEAL = "byhand.sha256"
"""The file with the checksums of a conversion."""
MOST = 10**9
"""Bytes: they are in memory twice while they are written, so larger models round each time."""
Arrays = Mapping[str, tuple[Array, Array]]
"""By a matrix's name, q as int8 and s as the bits of bfloat16."""


def read(checkpoint: Checkpoint) -> Arrays | None:
    """What is kept of this conversion: nothing yet, or where it is damaged or of another; None for
    a model that is no conversion in the cache."""
    if (path := _place(checkpoint)) is None:
        return None
    try:
        arrays, about = read_tensors(path)
    except FileNotFoundError:
        return {}
    except DamagedFileError:
        logger.warning("%s is damaged: rounding the weights again", path.name)
        return {}
    if about.get("of") != _seal(checkpoint):
        return {}
    names = [name.removesuffix(".q") for name in arrays if name.endswith(".q")]
    return {name: (arrays[f"{name}.q"], arrays[f"{name}.s"]) for name in names}


def write(checkpoint: Checkpoint, kept: Arrays) -> None:
    """Keep them, up to `MOST`; where the disk has no room, the next open rounds again."""
    path = _place(checkpoint)
    if path is None or sum(quants.nbytes for quants, _ in kept.values()) > MOST:
        return
    arrays = {}
    for name, (quants, scale) in kept.items():
        arrays[f"{name}.q"], arrays[f"{name}.s"] = quants, scale
    try:
        write_tensors(path, arrays, {"of": _seal(checkpoint)})
    except OSError as error:
        logger.warning("%s is not kept: %s", path.name, error)


def _place(checkpoint: Checkpoint) -> Path | None:
    folder = checkpoint.path
    if folder.parent != cache_folder() / "models" or not (folder / SEAL).is_file():
        return None
    return folder.with_name(folder.name + ENDING)


def _seal(checkpoint: Checkpoint) -> str:
    return hashlib.sha256((checkpoint.path / SEAL).read_bytes()).hexdigest()
