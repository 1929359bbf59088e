"""What every engine offers: a model description compiled into something that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from byhand.clipping import Clipping
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.losses import Loss
from byhand.optimizers import Optimizer
from byhand.regularizers import Regularizer

Array = NDArray[Any]


@dataclass(frozen=True)
class Description:
    """A model and how it is trained, without a word on what runs it.

    examples    number of training examples, which scales the regularizer
    seed        of the dropout masks
    """

    model: Sequential
    loss: Loss
    optimizer: Optimizer
    regularizer: Regularizer | None = None
    clipping: Clipping | None = None
    examples: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """The mean loss (without the regularizer) and the share of right answers, None where the
    targets are not class labels."""

    loss: float
    accuracy: float | None


def answers(y: Array, description: Description) -> NDArray[Any]:
    """The class that each output row stands for; with a single output, whether it is above ½."""
    if y.shape[-1] == 1:
        return (description.loss.probabilities(y)[:, 0] > 0.5).astype(np.int64)
    best: NDArray[Any] = y.argmax(axis=1)
    return best


def check_state(values: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Refuse a state that is not the optimizer's.

    Raises      InputError
    """
    if set(values) != set(expected):
        raise InputError(
            f"the optimizer keeps {', '.join(expected) or 'no state'}; "
            f"found {', '.join(values) or 'none'}"
        )
    for name, old in expected.items():
        if values[name].shape != old.shape:
            raise InputError(
                f"optimizer state {name} has shape {values[name].shape}, expected {old.shape}"
            )


class Program(Protocol):
    """A compiled model. It owns its parameters: arrays given and returned are copies.

    Targets are class labels[batch] (integers) or values of the output's shape.
    """

    description: Description

    def parameters(self) -> dict[str, Array]: ...

    def set_parameters(self, values: Mapping[str, Array]) -> None: ...

    def optimizer_state(self) -> dict[str, Array]: ...

    def set_optimizer_state(self, values: Mapping[str, Array]) -> None: ...

    def train(
        self,
        inputs: Array,
        targets: Array,
        order: NDArray[np.int64],
        batch_size: int,
        first_step: int,
        learning_rates: Sequence[float],
    ) -> NDArray[np.float64]:
        """One step per learning rate, over consecutive batches of `order`; the loss of each step.

        Where a loss is not finite it is the last one returned, and the parameters stay as they
        were before that step.
        """
        ...

    def gradients(
        self, inputs: Array, targets: Array, step: int | None = None
    ) -> tuple[float, dict[str, Array]]:
        """The objective, loss plus regularizer, and its gradients, before clipping; with the
        dropout masks of a training step where one is named."""
        ...

    def evaluate(self, inputs: Array, targets: Array) -> Evaluation: ...

    def predict(self, inputs: Array) -> Array:
        """Probabilities, or values for the quadratic cost."""
        ...

    def activations(self, inputs: Array) -> dict[str, Array]:
        """The output of each layer by its name, in evaluation."""
        ...
