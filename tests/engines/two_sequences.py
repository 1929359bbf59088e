"""Models that read one sentence and write another, and pairs for them, for tests of the engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from byhand.layers import (
    GRU,
    AdditiveAttention,
    Bidirectional,
    Concatenation,
    CrossAttention,
    Dense,
    DotAttention,
    Dropout,
    Embedding,
    Encoder,
    GeneralAttention,
    Layer,
    LayerNorm,
    Residual,
    SelfAttention,
    Sequential,
    SinusoidalPositions,
    Summary,
    Tanh,
)

Array = Any
SOURCE, TARGET, TIME = 7, 5, 6


def of_attention(dtype: Any = np.float64, dropout: float = 0.0, kv_heads: int = 1) -> Sequential:
    """A small Transformer, whose parameters are drawn."""
    encoder = Encoder(
        Embedding(SOURCE, 6),
        SinusoidalPositions(6),
        Dropout(dropout),
        Residual(SelfAttention(6, 2), Dropout(dropout)),
        LayerNorm(6),
        name="encoder",
    )
    return Sequential(
        encoder,
        Embedding(TARGET, 6),
        SinusoidalPositions(6),
        Residual(SelfAttention(6, 2, causal=True), Dropout(dropout)),
        Residual(LayerNorm(6), CrossAttention(6, 2, kv_heads=kv_heads), Dropout(dropout)),
        Dense(6, TARGET),
    ).initialize(1, dtype)


def recurrent(
    attention: Callable[[], Layer], dtype: Any = np.float64, dropout: float = 0.0
) -> Sequential:
    """A GRU that knows the whole sentence, and looks at it with this attention."""
    both = Bidirectional(GRU(6, 4), GRU(6, 4))
    return Sequential(
        Encoder(Embedding(SOURCE, 6), Dropout(dropout), both, name="encoder"),
        Embedding(TARGET, 6),
        Concatenation(Summary(8, bidirectional=True)),
        GRU(14, 8),
        Concatenation(attention(), Dropout(dropout)),
        Dense(16, 6),
        Tanh(),
        Dense(6, TARGET),
    ).initialize(1, dtype)


MODELS: dict[str, Callable[..., Sequential]] = {
    "transformer": of_attention,
    "additive": lambda *more: recurrent(lambda: AdditiveAttention(8, 8, 3), *more),
    "general": lambda *more: recurrent(lambda: GeneralAttention(8, 8), *more),
    "dot": lambda *more: recurrent(DotAttention, *more),
}


def pairs(count: int = 12, seed: int = 0) -> tuple[Array, Array]:
    """Ids and targets of pairs of all lengths, the last steps padding in each of them. The first
    pair has no padding before those, and the second no source."""
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.integers(size, size=(count, TIME)) for size in (SOURCE, TARGET)], 1)
    lengths = rng.integers(1, TIME, size=(count, 2, 1))
    lengths[0], lengths[1, 0] = TIME - 1, 0
    ids = np.where(np.arange(TIME) < lengths, ids, -1)
    targets = rng.integers(TARGET, size=(count, TIME))
    targets[ids[:, 1] < 0] = -1
    return ids, targets
