"""What every engine offers: a model description compiled into something that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from byhand.clipping import Clipping
from byhand.errors import InputError, ShapeError
from byhand.layers import (
    PADDING,
    Embedding,
    Encoder,
    Layer,
    LearnedPositions,
    OneHot,
    SelfAttention,
    Sequential,
    Shape,
)
from byhand.layers.recurrent import RecurrentLayer
from byhand.layers.sequential import OverSteps
from byhand.losses import Loss, are_labels
from byhand.optimizers import Optimizer
from byhand.regularizers import Regularizer

Array = NDArray[Any]


@dataclass(frozen=True)
class Description:
    """A model and how it is trained, without a word on what runs it.

    examples    number of training examples, which scales the regularizer
    seed        of the dropout masks
    carry_state     whether a training step starts from the states in which the step before it
                    left the recurrent layers, as truncated backpropagation through time does
    """

    model: Sequential
    loss: Loss
    optimizer: Optimizer
    regularizer: Regularizer | None = None
    clipping: Clipping | None = None
    examples: int = 1
    seed: int = 0
    carry_state: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The mean loss (without the regularizer) and the share of right answers, None where the
    targets are not one class label for each example."""

    loss: float
    accuracy: float | None


def answers(y: Array, description: Description) -> NDArray[Any]:
    """The class that each output row stands for; with a single output, whether it is above ½."""
    if y.shape[-1] == 1:
        return (description.loss.probabilities(y)[:, 0] > 0.5).astype(np.int64)
    best: NDArray[Any] = y.argmax(axis=-1)
    return best


def are_answers(targets: Array) -> bool:
    """Whether targets are one class label for each example, so that answers are right or wrong."""
    return are_labels(targets) and targets.ndim == 1


def own(inputs: Array, dtype: np.dtype[Any]) -> Array:
    """The inputs in the model's dtype, for a data set is float32, whatever the model is; ids stay
    the whole numbers that they are."""
    return inputs if are_labels(inputs) else inputs.astype(dtype, copy=False)


def readers(model: Sequential, inputs: Array) -> list[tuple[Layer, Array]]:
    """The layers that take ids, with those that each of them takes; none where inputs are no ids.
    Of pairs the encoder's first layer has the source, and the layer behind it the target."""
    first, *others = model.layers
    found = [(first, inputs)]
    if isinstance(first, Encoder):
        found = [(first.layers[0], inputs[:, 0]), (others[0], inputs[:, 1])]
    return [(layer, ids) for layer, ids in found if isinstance(layer, Embedding | OneHot)]


def without_padding(inputs: Array, targets: Array) -> tuple[Array, Array]:
    """Ids and labels[..., time] without the last steps that are padding in every example, so that a
    batch of short sentences takes the time of short sentences; others as they are."""
    if not are_labels(inputs) or targets.ndim < 2 or inputs.shape[-1] != targets.shape[-1]:
        return inputs, targets
    if not len(inputs):
        return inputs, targets  # for the loss to refuse as it is
    used = [np.any(a != PADDING, axis=tuple(range(a.ndim - 1))) for a in (inputs, targets)]
    steps = max(1, *(int(np.max(np.flatnonzero(u), initial=-1)) + 1 for u in used))
    return inputs[..., :steps], targets[..., :steps]


def groups(inputs: Array, streams: int | None, at_once: int) -> Iterator[slice]:
    """The parts in which examples are evaluated: with streams one group after the other, each the
    next piece of every stream, else as many as go through at once.

    Raises      InputError where the examples do not make whole groups, or are pairs
    """
    examples = len(inputs)
    if streams is not None and are_labels(inputs) and inputs.ndim == 3:
        raise InputError(
            "the memory of an encoder is of one source, and streams would go on with the first: "
            "leave streams out"
        )
    if streams is not None and (streams < 1 or examples % streams):
        raise InputError(
            f"{examples} examples make no whole groups of streams = {streams}: "
            f"give a multiple of {max(streams, 1)}"
        )
    size = streams or at_once
    for first in range(0, max(1, examples), size):
        end = first + size
        # The last part has all that is left, be there too many targets, for the loss to see.
        yield slice(first, end if end < examples else None)


def check_recurrent_state(values: Mapping[str, Array], model: Sequential) -> None:
    """Refuse states that are not those of the model's layers over steps, or of different batches.

    Raises      InputError, ShapeError
    """
    layers = layers_over_steps(model)
    batch: int | None = None
    for name, value in values.items():
        if name not in layers:
            raise InputError(
                f"no layer with a state is named {name}; there is {', '.join(layers) or 'none'}"
            )
        if batch is None:
            batch = batch_of(value, layers[name])
        expected = _state_shape(value, layers[name], batch)
        if value.shape != expected:
            raise ShapeError(f"the state of {name} has shape {value.shape}, expected {expected}")


Stateful = OverSteps | Encoder
"""Layers that start from a state and leave one; that of an encoder is its memory."""


def layers_over_steps(model: Sequential, within: str = "") -> dict[str, Stateful]:
    """The layers that start from a state and leave one, those inside of blocks included, by the
    full names of their states."""
    found: dict[str, Stateful] = {}
    for layer in model.layers:
        if isinstance(layer, Encoder):
            found[f"{within}{layer.name}.memory"] = layer
        elif isinstance(layer, Sequential):
            found |= layers_over_steps(layer, f"{within}{layer.name}.")
        elif isinstance(layer, OverSteps):
            found[f"{within}{layer.name}"] = layer
    return found


def batch_of(state: Any, layer: Stateful) -> int:
    """How many sequences a state of this layer is of."""
    axis = _batch_axis(layer)
    return int(state.shape[axis]) if state.ndim >= max(1, -axis) else 0


def of_rows(state: Array, layer: Stateful, rows: Sequence[int]) -> Array:
    """The state of some sequences of a batch, in the order in which they are named."""
    return np.take(state, rows, axis=_batch_axis(layer))


def _batch_axis(layer: Stateful) -> int:
    return -2 if isinstance(layer, RecurrentLayer) else 0


def may_refuse(layer: Stateful, state: Any, inputs: Array) -> bool:
    """Whether a layer may refuse to read on from this state, so that it has to be asked: one of
    other sequences, of an attention that looks at what follows, or one that leads beyond the last
    learned position."""
    if batch_of(state, layer) != len(inputs):
        return True
    if isinstance(layer, LearnedPositions) and len(inputs):
        return round(float(state.max())) + len(inputs[0]) > layer.sizes["positions"]
    return not getattr(layer, "causal", True)


def _state_shape(state: Array, layer: Stateful, batch: int) -> Shape:
    if isinstance(layer, SelfAttention | Encoder):  # of any number of steps
        return layer.state_shape(batch, state.shape[1] if state.ndim == 3 else 0)
    return layer.state_shape(batch)


def check_carried_state(values: Mapping[str, Array], description: Description) -> None:
    """Refuse to go on from states where none are carried, and what `check_recurrent_state` does.

    Raises      InputError, ShapeError
    """
    if values and not description.carry_state:
        raise InputError(
            "every example starts from states of zeros: compile the model with carry_state=True"
        )
    check_recurrent_state(values, description.model)


def recurrent_layers(model: Sequential) -> list[RecurrentLayer]:
    """Those whose state can be carried on."""
    return [layer for layer in model.layers if isinstance(layer, RecurrentLayer)]


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

    Inputs are numbers of any float dtype, or the ids[batch, time] of tokens (integers; −1 is
    padding). Targets are class labels[batch] or labels[batch, time] (integers; in the latter −1
    asks for nothing), or values of the output's shape.
    """

    description: Description

    def parameters(self) -> dict[str, Array]: ...

    def set_parameters(self, values: Mapping[str, Array]) -> None: ...

    def optimizer_state(self) -> dict[str, Array]: ...

    def set_optimizer_state(self, values: Mapping[str, Array]) -> None: ...

    def recurrent_state(self) -> dict[str, Array]:
        """The states in which the last training step left the recurrent layers, by name, where the
        description carries them; none at the beginning."""
        ...

    def set_recurrent_state(self, values: Mapping[str, Array]) -> None:
        """What the next training step starts from; none is the beginning of a text, zeros."""
        ...

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
        dropout masks of a training step where one is named. It starts from the recurrent state and
        leaves it as it is."""
        ...

    def evaluate(self, inputs: Array, targets: Array, streams: int | None = None) -> Evaluation:
        """Every example starts from states of zeros; with streams only the first so many do, and
        each of the following goes on from the example so many places before it."""
        ...

    def predict(self, inputs: Array) -> Array:
        """Probabilities, or values for the quadratic cost."""
        ...

    def predict_from(
        self, inputs: Array, states: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        """What `predict` says of a piece of a sequence that starts from these states, zeros where
        there are none, and the states after it."""
        ...

    def activations(self, inputs: Array) -> dict[str, Array]:
        """The output of each layer by its name, in evaluation."""
        ...
