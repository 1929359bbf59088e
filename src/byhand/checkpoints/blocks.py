"""The numbers in the blocks of few bits that GGUF stores: each block has a scale of its own.

A block of 32 is q · d, or q · d + m. A block of 256 ("K") has eight or sixteen parts, each with a
small scale and minimum of its own, which are multiples of the block's d and d_min.

Source      ggml, `ggml-common.h` (the layouts) and `dequantize_row_*` in `ggml-quants.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from byhand.checkpoints.numbers import Array

HALF = "<f2"
LAYOUTS: dict[str, np.dtype[Any]] = {
    "Q4_0": np.dtype([("d", HALF), ("q", "u1", 16)]),
    "Q4_1": np.dtype([("d", HALF), ("m", HALF), ("q", "u1", 16)]),
    "Q5_0": np.dtype([("d", HALF), ("high", "u1", 4), ("q", "u1", 16)]),
    "Q5_1": np.dtype([("d", HALF), ("m", HALF), ("high", "u1", 4), ("q", "u1", 16)]),
    "Q8_0": np.dtype([("d", HALF), ("q", "i1", 32)]),
    "Q2_K": np.dtype([("s", "u1", 16), ("q", "u1", 64), ("d", HALF), ("m", HALF)]),
    "Q3_K": np.dtype([("high", "u1", 32), ("q", "u1", 64), ("s", "u1", 12), ("d", HALF)]),
    "Q4_K": np.dtype([("d", HALF), ("m", HALF), ("s", "u1", 12), ("q", "u1", 128)]),
    "Q5_K": np.dtype(
        [("d", HALF), ("m", HALF), ("s", "u1", 12), ("high", "u1", 32), ("q", "u1", 128)]
    ),
    "Q6_K": np.dtype([("q", "u1", 128), ("high", "u1", 64), ("s", "i1", 16), ("d", HALF)]),
}
"""d: scale, m: minimum, q: the low bits, high: the bits above them, s: the scales of the parts."""


def numbers(raw: Array, kind: str) -> Array:
    """float32, flat, of blocks of this type given as bytes."""
    blocks = raw.view(LAYOUTS[kind])
    d = _column(blocks, "d")
    if kind == "Q8_0":
        return (blocks["q"] * d).reshape(-1)
    values = READERS[kind](blocks)
    return values.reshape(-1)


def _column(blocks: Array, name: str) -> Array:
    return blocks[name].astype(np.float32)[:, None]


def _nibbles(blocks: Array) -> Array:
    """Of 16 bytes, the lower halves and then the upper ones."""
    q = blocks["q"]
    return np.concatenate([q & 15, q >> 4], axis=1)


def _fifth_bits(blocks: Array) -> Array:
    return np.unpackbits(blocks["high"], axis=1, bitorder="little") << 4


def _q4_0(b: Array) -> Array:
    return (_nibbles(b).astype(np.int8) - np.int8(8)) * _column(b, "d")


def _q4_1(b: Array) -> Array:
    return _nibbles(b) * _column(b, "d") + _column(b, "m")


def _q5_0(b: Array) -> Array:
    return ((_nibbles(b) | _fifth_bits(b)).astype(np.int8) - np.int8(16)) * _column(b, "d")


def _q5_1(b: Array) -> Array:
    return (_nibbles(b) | _fifth_bits(b)) * _column(b, "d") + _column(b, "m")


def _shifted(values: Array, shifts: tuple[int, ...], mask: int, width: int) -> Array:
    """Of each run of `width` bytes, what lies at each shift: [blocks, runs · shifts, width]."""
    runs = values.reshape(len(values), -1, 1, width)
    parts = (runs >> np.array(shifts, np.uint8)[:, None]) & np.uint8(mask)
    return parts.reshape(len(values), -1, width)


def _six_bits(s: Array) -> tuple[Array, Array]:
    """The eight scales and eight minima that 12 bytes hold."""
    low, high, last = s[:, :4], s[:, 4:8], s[:, 8:]
    scales = np.concatenate([low & 63, (last & 15) | (low >> 2 & 48)], axis=1)
    minima = np.concatenate([high & 63, (last >> 4) | (high >> 2 & 48)], axis=1)
    return scales, minima


def _q4_k(b: Array) -> Array:
    return _eight_parts(b, _shifted(b["q"], (0, 4), 15, 32))


def _q5_k(b: Array) -> Array:
    fifth = _shifted(b["high"], tuple(range(8)), 1, 32) << 4
    return _eight_parts(b, _shifted(b["q"], (0, 4), 15, 32) | fifth)


def _eight_parts(b: Array, q: Array) -> Array:
    scales, minima = _six_bits(b["s"])
    d, m = scales * _column(b, "d"), minima * _column(b, "m")
    return np.asarray(d[..., None] * q - m[..., None])


def _q2_k(b: Array) -> Array:
    q = _shifted(b["q"], (0, 2, 4, 6), 3, 32).reshape(len(b), 16, 16)
    d, m = (b["s"] & 15) * _column(b, "d"), (b["s"] >> 4) * _column(b, "m")
    return np.asarray(d[..., None] * q - m[..., None])


def _q3_k(b: Array) -> Array:
    low = _shifted(b["s"][:, :8], (0, 4), 15, 8).reshape(len(b), 16)
    high = _shifted(b["s"][:, 8:], (0, 2, 4, 6), 3, 4).reshape(len(b), 16)
    scales = (low | high << 4).astype(np.int8) - np.int8(32)
    q = _shifted(b["q"], (0, 2, 4, 6), 3, 32).astype(np.int8)
    unset = _shifted(b["high"], tuple(range(8)), 1, 32) ^ 1  # a set bit means that 4 is kept
    values = (q - (unset << 2).astype(np.int8)).reshape(len(b), 16, 16)
    return np.asarray((scales * _column(b, "d"))[..., None] * values)


def _q6_k(b: Array) -> Array:
    low = _shifted(b["q"], (0, 4), 15, 64).reshape(len(b), 8, 32)
    high = _shifted(b["high"], (0, 2, 4, 6), 3, 32) << 4
    q = ((low | high).astype(np.int8) - np.int8(32)).reshape(len(b), 16, 16)
    return np.asarray((b["s"] * _column(b, "d"))[..., None] * q)


READERS: dict[str, Callable[[Array], Array]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
