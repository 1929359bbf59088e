"""In what order an epoch sees the examples, and how many steps it has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Split, stream_order
from byhand.data.pairs import order_by_length
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.randomness import batch_order


def steps_per_epoch(
    examples: int,
    batch_size: int,
    carries: bool,
    at_most: int | None = None,
    smallest: int = 1,
) -> int:
    """The last batch may be short, but not where its rows go on from those of the batch before.

    at_most     where an epoch is to end before it has seen all examples
    smallest    where the last batch has fewer examples than this, it is left out
    """
    if carries or examples % batch_size < smallest:
        steps = examples // batch_size
    else:
        steps = math.ceil(examples / batch_size)
    return min(steps, at_most or steps)


def smallest_batch(model: Sequential, inputs: NDArray[Any], batch_size: int) -> int:
    """The fewest examples that the model trains on: 2 where batch normalisation would have a single
    value of some feature, and so no variance. The layer itself is asked, about made-up inputs.

    Raises      InputError, in the layer's words, where all batches are smaller than that
    """
    if any(layer.statistics for layer in model.layers):
        try:
            with np.errstate(all="ignore"):
                model.forward(np.zeros_like(inputs[:1]), masks={})
        except InputError:
            if min(batch_size, len(inputs)) == 1:
                raise
            return 2
    return 1


def order_of_epoch(
    split: Split, batch_size: int, carries: bool, seed: int, epoch: int
) -> NDArray[np.int64]:
    """A new order for each epoch, in which the pairs of a batch are of like length; or the streams
    of a text, where a program carries its state."""
    if carries:
        return stream_order(len(split), batch_size)
    if split.of_pairs:
        return order_by_length(split, batch_size, seed, epoch)
    return batch_order(seed, epoch, len(split))
