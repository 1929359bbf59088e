"""Smaller arrays in the place of large ones: a derivative is as wrong for 8 examples as for 60000,
and a check runs the program hundreds of times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from byhand.doctor import values

LONG = 32
"""An axis or a list up to this length is left as it is."""

_SMALLEST = 5


def large(given: Any) -> bool:
    """Whether some array or list is large or long."""
    return any(
        max(shape, default=0) >= 256 or math.prod(shape) >= 100_000 for shape in _shapes(given)
    )


def sizes(given: Any, longer_than: int, even: int) -> dict[int, int]:
    """A small size for each length, the longest first; no two alike.

    even        2 or 8: halved as often as the length can be, up to that, for what is pooled or
                split into heads
    """
    lengths = {n for shape in _shapes(given) for n in shape}
    taken = {n for n in lengths if n <= longer_than}
    found = {}
    for length in sorted(lengths - taken, reverse=True):
        size = _SMALLEST
        while size in taken or math.gcd(size, even) != math.gcd(length, even):
            size += 1
        if size < length:
            found[length] = size
        taken.add(size)
    return found


def shrunk(value: Any, to: dict[int, int]) -> Any:
    """The inputs with axes and lists of these lengths cut; numbers that name such a length, and
    indices into what has it, go with them."""
    found = value
    if isinstance(value, dict):
        found = {key: shrunk(v, to) for key, v in value.items()}
    elif type(value) in (list, tuple):
        kept = value[: to.get(len(value), len(value))]
        if _counts(value):
            kept = [int(i) for i in _indices(np.array(kept), np.array(value), to)]
        found = type(value)(shrunk(v, {} if _counts(value) else to) for v in kept)
    elif isinstance(value, int):
        found = to.get(value, value)
    elif isinstance(value, np.ndarray) or values.is_tensor(value):
        for axis, length in enumerate(value.shape):
            found = found[(slice(None),) * axis + (slice(to.get(length, length)),)]
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
            found = _indices(found, value, to)
    return found


def _indices(kept: Any, whole: Any, to: dict[int, int]) -> Any:
    """Of what these integers may be an index into, the shortest is meant."""
    into = [length for length in to if whole.size and length > whole.max()]
    return kept % to[min(into)] if into and whole.min() >= 0 else kept


def _shapes(value: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of arrays, the lengths of lists, and numbers that may be such a length."""
    if isinstance(value, np.ndarray) or values.is_tensor(value):
        yield tuple(value.shape)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _shapes(part)
    elif type(value) in (list, tuple):
        yield (len(value),)
        for part in () if _counts(value) else value:
            yield from _shapes(part)
    elif isinstance(value, int):
        yield (value,)


def _counts(value: Any) -> bool:
    """Whether it is a list of indices, and not of sizes."""
    return len(value) > LONG and all(isinstance(v, int) for v in value)
