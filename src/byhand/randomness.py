"""All random numbers of byhand, drawn in one place from explicit seeds.

A stream is named by a seed, a purpose and indices (an epoch, a step, a layer), and nothing else.
No generator is carried along, so a resumed run, another engine and a second run with the same seed
all see the same numbers. Philox is counter-based: such a stream starts anywhere at no cost, and a
C++ engine can produce the same bits.

Source      Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

Purpose = Literal[
    "parameters",
    "order",
    "dropout",
    "split",
    "sweep",
    "augmentation",
    "landscape",
    "tasks",
    "sampling",
]
_CODES: dict[str, int] = {
    "parameters": 1,
    "order": 2,
    "dropout": 3,
    "split": 4,
    "sweep": 5,
    "augmentation": 6,
    "landscape": 7,
    "tasks": 8,
    "sampling": 9,
}


def stream(seed: int, purpose: Purpose, first: int = 0, second: int = 0) -> np.random.Generator:
    """The generator for one purpose: `stream(0, "order", epoch)`.

    The seed and the purpose are Philox's key; the indices are the two high words of its 256-bit
    counter, so that two streams overlap only after 2¹²⁸ draws.

    Raises      InputError where the seed is not a whole number of 64 bits.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise InputError(f"a seed is a whole number from 0 to 2**64 - 1, found {seed}")
    key = np.array([seed, _CODES[purpose]], dtype=np.uint64)
    counter = np.array([0, 0, second, first], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def batch_order(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    """The order in which one epoch visits the examples: a permutation of 0 … examples − 1."""
    return stream(seed, "order", epoch).permutation(examples).astype(np.int64)
