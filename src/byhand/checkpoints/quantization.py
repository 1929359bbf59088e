"""Weights in blocks of few bits: a GGUF file a fraction of the size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from byhand.checkpoints import llama_cpp
from byhand.checkpoints.conversion import SUFFIX, beside, check_new, check_room
from byhand.checkpoints.conversion import open as open_checkpoint
from byhand.checkpoints.description import Checkpoint, Tensor
from byhand.checkpoints.ggml_types import NAMED
from byhand.checkpoints.gguf_model import write_gguf_model
from byhand.checkpoints.numbers import Array, to_float32
from byhand.checkpoints.writing import Stored, plan
from byhand.errors import InputError, nearest
from byhand.storage import atomic

FILE_TYPES = {
    "Q2_K": 10,
    "Q3_K": 11,
    "Q4_0": 2,
    "Q4_K": 14,
    "Q4_1": 3,
    "Q5_0": 8,
    "Q5_K": 16,
    "Q5_1": 9,
    "Q6_K": 18,
    "Q8_0": 7,
}
"""By type, from few bits to many: the number that stands for it in general.file_type."""
FALLBACK = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
"""What stands in for blocks of 256 where a row is no whole number of them, as in llama.cpp."""
OUTSIDE = "Q8_0"
AT_ONCE = 2**22


def quantize(
    source: str | Path,
    destination: str | Path,
    kind: str,
    tell: Callable[[str], None] = lambda text: None,
) -> Checkpoint:
    """Write the model as a GGUF file with its matrices in blocks of this type, and open it.

    Embedding and head are in Q8_0: each of their rows is one word, and fewer bits cost most there.
    Where rows are no whole number of blocks of 256, blocks of 32 stand in, by `FALLBACK`; where
    they are none of 32 either, the matrix stays in float16. All vectors are in float32.

    kind        q4_0, q4_1, q5_0, q5_1 or q8_0; or q2_k, q3_k, q4_k, q5_k or q6_k
    tell        is told which tensor is being rounded

    Raises      InputError for another type or destination, and where the package gguf, or for
                q2_k to q6_k llama.cpp's library, is missing; ByhandError where the disk has no room
    """
    source, destination = Path(source), Path(destination)
    name = type_named(kind)
    if destination.suffix != SUFFIX:
        raise InputError(f"{destination} has to end in {SUFFIX}: other formats have no such blocks")
    try:
        import gguf.quants  # noqa: F401
    except ImportError:
        raise InputError(
            "to quantize the package gguf is needed: pip install byhand[language]"
        ) from None
    if name in FALLBACK:
        llama_cpp.check_there(name.lower())
    check_new(destination)
    checkpoint = open_checkpoint(source)
    kinds = ((tensor, NAMED[_kind(name, tensor)]) for tensor in checkpoint.tensors.values())
    nbytes = sum(kind.nbytes(tensor.shape[-1], tensor.size) for tensor, kind in kinds)
    check_room(destination, nbytes + beside(checkpoint))
    planned = plan(checkpoint, None)
    stored = partial(_stored, name, tell)
    with atomic(destination) as temporary:
        write_gguf_model(checkpoint, temporary, planned, stored, FILE_TYPES[name])
    return open_checkpoint(destination)


def type_named(kind: str) -> str:
    """Q4_0 or its like, as a person writes it.

    Raises      InputError for another name
    """
    if (name := kind.upper()) in FILE_TYPES:
        return name
    known = [known.lower() for known in FILE_TYPES]
    advice = nearest(kind.lower(), known, f"there is {', '.join(known)}")
    raise InputError(f"cannot quantize to {kind!r}; {advice}")


def _kind(kind: str, tensor: Tensor) -> str:
    """The type of a tensor in the file."""
    if len(tensor.shape) < 2:
        return "F32"
    if tensor.name in ("model.embed_tokens.weight", "lm_head.weight"):
        kind = OUTSIDE
    if tensor.shape[-1] % NAMED[kind].block:
        kind = FALLBACK.get(kind, "F16")
    if tensor.shape[-1] % NAMED[kind].block:
        kind = "F16"
    return kind


def _stored(kind: str, tell: Callable[[str], None], tensor: Tensor) -> Stored:
    """Its type, and its blocks in pieces of whole rows."""
    kind = _kind(kind, tensor)
    return Stored(kind, _blocks(kind, tell, tensor))


def _blocks(kind: str, tell: Callable[[str], None], tensor: Tensor) -> Iterator[Array]:
    tell(f"{kind.lower()}: rounding {tensor.name}")
    to_blocks = partial(llama_cpp.to_blocks if kind in FALLBACK else _plain, kind=kind)
    values = tensor.read()
    step = max(1, AT_ONCE // tensor.shape[-1])
    for first in range(0, len(values), step):
        rows = to_float32(values[first : first + step], tensor.dtype)
        yield to_blocks(rows)


def _plain(rows: Array, kind: str) -> Array:
    """By the reference implementation in Python."""
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize as to_blocks

    return np.asarray(to_blocks(rows, GGMLQuantizationType[kind]))
