"""What every loader returns: examples with their targets, in three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byhand.data.languages import Languages
from byhand.data.vocabulary import Vocabulary
from byhand.errors import InputError, ShapeError
from byhand.losses import are_labels
from byhand.randomness import stream

SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Split:
    """Examples and what the network should answer to them.

    Shapes      inputs[examples, ...] float32; images are [examples, channels, height, width] in
                [0, 1]; inputs[examples, time] int64 for the ids of tokens, and
                inputs[examples, 2, time] for those of two sequences, source and target
                targets[examples] int64 for class labels, targets[examples, time] int64 for a label
                at each step of a sequence, targets[examples, out] float32 otherwise
    Raises      ShapeError where the two do not fit; nothing is ever broadcast.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]

    def __post_init__(self) -> None:
        examples, shape = len(self.inputs), self.targets.shape
        if are_labels(self.targets):
            if are_labels(self.inputs) or self.inputs.ndim == 3:
                steps = self.inputs.shape[::2] if self.of_pairs else self.inputs.shape[:2]
                if shape not in ((examples,), steps):
                    raise ShapeError(
                        f"targets have shape {shape}, labels for sequences have {(examples,)}, or "
                        f"{steps} with one for each step"
                    )
            elif len(shape) != 1:
                raise ShapeError(
                    f"targets have shape {shape}, class labels need one axis ({examples},): "
                    "pass targets[:, 0] or targets.argmax(axis=1), whichever is meant"
                )
        elif len(shape) != 2:
            raise ShapeError(
                f"targets have shape {shape}, numbers to predict need two axes ({examples}, out): "
                "pass targets.reshape(-1, 1) for one number per example"
            )
        if shape[0] != examples:
            raise ShapeError(
                f"{examples} inputs against {shape[0]} targets: expected one target per example"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def of_pairs(self) -> bool:
        """Whether each example is two sequences of ids, source and target."""
        return are_labels(self.inputs) and self.inputs.ndim == 3

    def first(self, n: int) -> Split:
        """The first n examples (all of them where there are fewer)."""
        return Split(self.inputs[:n], self.targets[:n])


@dataclass(frozen=True)
class Dataset:
    """A named data set. `classes` names the labels 0, 1, ... and is () for regression and for a
    text, whose tokens the `vocabulary` names, or for pairs of sentences in two `languages`."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    vocabulary: Vocabulary | None = None
    languages: Languages | None = None

    @property
    def kind(self) -> Literal["examples", "text", "pairs"]:
        if self.languages is not None:
            return "pairs"
        return "examples" if self.vocabulary is None else "text"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, without the examples axis."""
        return self.train.inputs.shape[1:]


def divide(data: Split, shares: Sequence[float], seed: int) -> tuple[Split, ...]:
    """Shuffle by `seed` and cut into one split per share.

    Raises      InputError where the shares do not sum to 1 or leave a split without an example.
    """
    listed = ", ".join(f"{share:.3g}" for share in shares)
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise InputError(f"the shares of the splits must be positive and sum to 1, found {listed}")
    order = stream(seed, "split").permutation(len(data))
    cuts = np.rint(np.cumsum(shares)[:-1] * len(data)).astype(int)
    parts = np.split(order, cuts)
    if any(len(part) == 0 for part in parts):
        raise InputError(
            f"{len(data)} examples are too few for shares of {listed}: one split would be empty; "
            "add examples or change the shares"
        )
    return tuple(Split(data.inputs[part], data.targets[part]) for part in parts)
