"""What training does otherwise where the data is a text: streams, and bits per character."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from byhand.data import Dataset, Split, stream_order
from byhand.data.languages import size
from byhand.errors import InputError
from byhand.layers import PADDING

BITS = "bits_per_character"
LONG = 16
"""Windows that a stream of an evaluation has at least: it starts without a memory, and what it says
until it has one is to weigh little."""


def check_streams(dataset: Dataset, batch_size: int) -> None:
    """Refuse a data set that cannot be read in `batch_size` streams.

    Raises      InputError
    """
    if dataset.vocabulary is None:
        raise InputError(
            f"carry_state reads a text on from step to step, {dataset.name} is none: leave it out"
        )
    if len(dataset.train) < batch_size:
        raise InputError(
            f"carry_state reads the text in batch_size = {batch_size} streams, the training part "
            f"of {dataset.name} has {len(dataset.train)} windows: choose a smaller batch_size or "
            "fewer steps"
        )


def evaluated(split: Split, most_streams: int | None) -> tuple[Any, ...]:
    """What `Program.evaluate` is given of a split: each example for itself, or, of a program that
    carries its state, read on in at most so many streams."""
    if most_streams is None:
        return split.inputs, split.targets
    streams = max(1, min(most_streams, len(split) // LONG))
    order = stream_order(len(split), streams)
    return split.inputs[order], split.targets[order], streams


def bits_of(row: dict[str, Any], dataset: Dataset) -> dict[str, float]:
    """The losses of an epoch's row in the unit in which models with other tokens can be compared;
    none where the data is no text.

        bits/character = nats/token · tokens/character / ln 2
    """
    if dataset.vocabulary is None:
        return {}
    return {
        f"{name}_{BITS}": row[f"{name}_loss"] * _tokens_per_character(dataset, name) / math.log(2)
        for name in ("validation", "test")
    }


def _tokens_per_character(dataset: Dataset, name: str) -> float:
    """Of the tokens that a split asks for."""
    assert dataset.vocabulary is not None
    targets = getattr(dataset, name).targets
    return float(targets.size / len(dataset.vocabulary.decode(targets)))


def frequency_loss(dataset: Dataset) -> float | None:
    """The validation loss of who knows how often each token occurs in training, and nothing of what
    came before it; None where the data is no sequences of tokens. One is added to each count, so
    that a token which occurs in validation alone does not have the probability 0.

        L = −1/m Σᵥ mᵥ ln ((nᵥ + 1) / (n + vocabulary))
    """
    if dataset.vocabulary is not None:
        tokens = len(dataset.vocabulary)
    elif dataset.languages is not None:
        tokens = size(dataset.languages.target)
    else:
        return None
    n, m = (
        np.bincount(split.targets[split.targets != PADDING], minlength=tokens)
        for split in (dataset.train, dataset.validation)
    )
    return -float(m @ np.log((n + 1) / (n.sum() + tokens))) / float(m.sum())
