"""The order of the rows of Q and K, and Llama 3's stretched frequencies.

Rotary embeddings turn pairs of numbers. Meta and llama.cpp take neighbours as a pair, Hugging Face
the k-th of the first half of a head with the k-th of the second: the same function of the input
when the rows of W_q and W_k are in the matching order.

Source      Su et al., RoFormer, arXiv:2104.09864, eq. 34; "rotate_half" in transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from byhand.checkpoints.numbers import Array


def to_halves(rows: Array, heads: int) -> Array:
    """Rows of W_q or W_k (or their biases), from neighbouring pairs to halves."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def to_pairs(rows: Array, heads: int) -> Array:
    """The inverse of `to_halves`."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def llama3_factors(scaling: Mapping[str, Any], theta: float, head_dim: int) -> Array:
    """By what each frequency of a head is divided: 1 for short waves, `factor` for long ones.

    f_k = θ^(−2k/d), wavelength 2π/f_k. Between the wavelengths n/high and n/low (n the original
    context) 1/factor_k goes over from 1 to 1/factor in proportion to n/wavelength.

    Source      Meta's Llama 3.1 reference code, `apply_scaling`.
    """
    factor = float(scaling["factor"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    n = float(scaling["original_max_position_embeddings"])
    wavelengths = 2 * math.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    smooth = np.clip((n / wavelengths - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def llama3_scaling(factors: Array, theta: float) -> dict[str, Any] | None:
    """The settings behind a list of factors, or None where no usual ones give it."""
    if not np.isfinite(factors).all() or factors.min() < 0.99:
        return None  # a wave is stretched or left as it is
    for n, (low, high) in product((8192, 4096, 2048, 16384, 32768), ((1.0, 4.0), (1.0, 2.0))):
        scaling = {
            "rope_type": "llama3",
            "factor": float(factors.max()),
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": n,
        }
        expected = llama3_factors(scaling, theta, 2 * len(factors))
        if np.allclose(expected, factors, rtol=1e-4):
            return scaling
    return None
