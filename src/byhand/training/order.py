"""In what order an epoch sees the examples, and how many steps it has."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from byhand.data import stream_order
from byhand.randomness import batch_order


def steps_per_epoch(
    examples: int, batch_size: int, carries: bool, at_most: int | None = None
) -> int:
    """The last batch may be short, but not where its rows go on from those of the batch before.

    at_most     where an epoch is to end before it has seen all examples
    """
    steps = examples // batch_size if carries else math.ceil(examples / batch_size)
    return min(steps, at_most or steps)


def order_of_epoch(
    examples: int, batch_size: int, carries: bool, seed: int, epoch: int
) -> NDArray[np.int64]:
    """A new order for each epoch; or the streams of a text, where a program carries its state."""
    if carries:
        return stream_order(examples, batch_size)
    return batch_order(seed, epoch, examples)
