"""Weights in blocks of few bits: a GGUF file a fraction of the size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from byhand.checkpoints.conversion import SUFFIX, check_new
from byhand.checkpoints.conversion import open as open_checkpoint
from byhand.checkpoints.description import Checkpoint, Tensor
from byhand.checkpoints.ggml_types import NAMED
from byhand.checkpoints.gguf_model import write_gguf_model
from byhand.checkpoints.numbers import Array, to_float32
from byhand.checkpoints.writing import Stored, plan
from byhand.errors import InputError, nearest
from byhand.storage import atomic

FILE_TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}
"""By type: the number that stands for it in general.file_type."""
OUTSIDE = "Q8_0"
AT_ONCE = 2**22


def quantize(source: str | Path, destination: str | Path, kind: str) -> Checkpoint:
    """Write the model as a GGUF file with its matrices in blocks of this type, and open it.

    Embedding and head are in Q8_0: each of their rows is one word, and fewer bits cost most there.
    A matrix whose rows are no whole number of blocks stays in float16, all vectors in float32.

    kind        q4_0, q4_1, q5_0, q5_1 or q8_0

    Raises      InputError for another type or destination, and where the package gguf is missing
    """
    source, destination = Path(source), Path(destination)
    name = kind.upper()
    if name not in FILE_TYPES:
        known = [known.lower() for known in FILE_TYPES]
        advice = nearest(kind.lower(), known, f"there is {', '.join(known)}")
        raise InputError(f"cannot quantize to {kind!r}; {advice}")
    if destination.suffix != SUFFIX:
        raise InputError(f"{destination} has to end in {SUFFIX}: other formats have no such blocks")
    try:
        import gguf.quants  # noqa: F401
    except ImportError:
        raise InputError(
            "to quantize the package gguf is needed: pip install byhand[language]"
        ) from None
    check_new(destination)
    checkpoint = open_checkpoint(source)
    planned = plan(checkpoint, None)
    with atomic(destination) as temporary:
        write_gguf_model(checkpoint, temporary, planned, partial(_stored, name), FILE_TYPES[name])
    return open_checkpoint(destination)


def _stored(kind: str, tensor: Tensor) -> Stored:
    """The type of a tensor in the file, and its blocks in pieces of whole rows."""
    if tensor.name in ("model.embed_tokens.weight", "lm_head.weight"):
        kind = OUTSIDE
    if tensor.shape[-1] % NAMED[kind].block:
        kind = "F16"
    return Stored(kind, _blocks(kind, tensor))


def _blocks(kind: str, tensor: Tensor) -> Iterator[Array]:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize as to_blocks

    values = tensor.read()
    step = max(1, AT_ONCE // tensor.shape[-1])
    for first in range(0, len(values), step):
        rows = to_float32(values[first : first + step], tensor.dtype)
        yield np.asarray(to_blocks(rows, GGMLQuantizationType[kind]))
