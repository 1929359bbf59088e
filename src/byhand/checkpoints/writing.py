"""What every writer needs: the types that tensors are stored in, and their numbers in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from byhand.checkpoints.description import Checkpoint, Tensor
from byhand.checkpoints.numbers import Array, converted, loses_nothing

AT_ONCE = 2**22


@dataclass(frozen=True)
class Plan:
    """dtypes: of each tensor, by name; matrices: of most of them."""

    matrices: str
    dtypes: dict[str, str]


@dataclass(frozen=True)
class Stored:
    """How a tensor is stored: its type, and its numbers in pieces of whole rows."""

    kind: str
    pieces: Iterator[Array]


def plan(checkpoint: Checkpoint, dtype: str | None) -> Plan:
    """In which type each tensor is to be stored.

    dtype       for all of them; None keeps each as it is, with two exceptions. Blocks of few bits
                become bfloat16. And GGUF has norms and biases in float32 whatever they were: they
                go back to the type of the matrices where that loses nothing.
    """
    if dtype is not None:
        return Plan(dtype, dict.fromkeys(checkpoint.tensors, dtype))
    kept = {name: t.dtype if t.exact else "BF16" for name, t in checkpoint.tensors.items()}
    sizes = dict.fromkeys(kept.values(), 0)
    for name, tensor in checkpoint.tensors.items():
        if len(tensor.shape) > 1:
            sizes[kept[name]] += tensor.size
    matrices = max(sizes, key=sizes.__getitem__)
    if checkpoint.format == "gguf" and matrices != "F32":
        for name, tensor in checkpoint.tensors.items():
            if len(tensor.shape) == 1 and loses_nothing(tensor.read(), matrices):
                kept[name] = matrices
    return Plan(matrices, kept)


def pieces(tensor: Tensor, dtype: str) -> Iterator[Array]:
    """The numbers in this type, row after row, converted some at a time."""
    values = tensor.read().reshape(-1)
    for first in range(0, values.size, AT_ONCE):
        yield converted(values[first : first + AT_ONCE], tensor.dtype, dtype)
