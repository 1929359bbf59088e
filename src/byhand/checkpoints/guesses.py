"""Why a tensor differs from another: what usually goes wrong in a conversion, tried in turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from byhand.checkpoints import rotary
from byhand.checkpoints.description import Config, Tensor
from byhand.checkpoints.families import is_norm, rotated_heads
from byhand.checkpoints.numbers import Array, from_float32, to_float32

ROUNDING = {"F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}
"""At most this share of a number is lost when it is rounded to the type."""
SMALLEST = 2.0**-24  # of float16; below it everything becomes zero
NAMES = {"F16": "float16", "BF16": "bfloat16"}


def within_rounding(a: Array, b: Array, kinds: tuple[str, str]) -> bool:
    """Whether two float32 arrays are one, rounded to the coarser of these types."""
    share = max(ROUNDING[kind] for kind in kinds)
    with np.errstate(invalid="ignore"):
        bound = share * np.maximum(np.abs(a), np.abs(b)) + SMALLEST * (share > ROUNDING["F32"])
        return bool(np.all(np.abs(a - b) <= bound))


def guess(a: Tensor, b: Tensor, left: Array, right: Array, config: Config) -> str:
    """The reason in words; left, right: the numbers of a and b in float32, of one shape."""
    for reason, candidate in _candidates(a.name, right, config):
        if np.allclose(left, candidate, rtol=2**-7, atol=1e-6):
            return reason
    if not np.isfinite(left).all() or not np.isfinite(right).all():
        return "one of them has numbers that are not finite: a type with too small a range"
    for kind, name in NAMES.items():
        for one, other, values, expected in ((a, b, left, right), (b, a, right, left)):
            if one.dtype != kind and np.array_equal(
                to_float32(from_float32(values, kind), kind), expected
            ):
                return f"dtype: {other.stored} holds what {one.stored} gives, rounded to {name}"
    if not (a.exact and b.exact):
        few = b.stored if not b.exact else a.stored
        return f"dtype: {few} stores it in blocks of few bits"
    if len(left.shape) == 2 and _same_rows(left, right):
        return "permutation: the same rows in another order"
    return "other numbers"


def _candidates(name: str, right: Array, config: Config) -> Iterator[tuple[str, Array]]:
    heads = rotated_heads(name, config)
    if heads:
        order = "permutation: rows of Q and K are in the order of rotary"
        yield (
            f"{order} halves where pairs were meant, or the reverse",
            rotary.to_halves(right, heads),
        )
        yield (
            f"{order} pairs where halves were meant, or the reverse",
            rotary.to_pairs(right, heads),
        )
    if len(right.shape) == 2 and right.shape[0] == right.shape[1]:
        yield "transpose: rows and columns are exchanged", right.T
    if is_norm(name):
        yield "norm: 1 was added to one of them, as in Gemma's (1 + w) x", right - 1
        yield "norm: 1 was added to one of them, as in Gemma's (1 + w) x", right + 1


def _same_rows(left: Array, right: Array) -> bool:
    rows = [sorted(hash(row.tobytes()) for row in side) for side in (left, right)]
    return rows[0] == rows[1]
