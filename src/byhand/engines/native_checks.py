"""What the native engine refuses before C++ reads it, in the words of the NumPy engine: the part of
the model that would refuse it is asked about made-up arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand import clipping, layers, losses, optimizers, regularizers
from byhand.engines.program import Array, Description, Stateful, are_answers, readers
from byhand.errors import InputError, ShapeError
from byhand.layers import (
    Dense,
    Embedding,
    Encoder,
    Layer,
    LearnedPositions,
    OneHot,
    Projection,
    SelfAttention,
    Sequential,
    Shape,
    Softmax,
    SwiGLU,
)
from byhand.layers.block import Block
from byhand.layers.embedding import PADDING, check_ids, is_token
from byhand.layers.memory import MemoryLayer
from byhand.layers.sequential import real_steps
from byhand.losses import Loss, are_labels

ROOMS: dict[str, ModuleType] = {
    "layer": layers,
    "loss": losses,
    "optimizer": optimizers,
    "regularizer": regularizers,
    "clipping": clipping,
}


OF_ROWS = (Dense, Projection, Softmax, SwiGLU)
"""Layers that work on the last axis, in C++ on that of a row."""


ASKED = 64
"""Steps of an attention that NumPy is asked about."""


def refuse_what_has_no_twin(description: Description, twins: Mapping[str, Sequence[str]]) -> None:
    """Refuse a part that is not written in C++.

    Raises      InputError
    """
    used = [
        *(("layer", layer) for layer in _all_layers(description.model)),
        ("loss", description.loss),
        ("optimizer", description.optimizer),
        ("regularizer", description.regularizer),
        ("clipping", description.clipping),
    ]
    for what, part in used:
        kind = type(part).__name__
        # Somebody's own class of the same name is another part.
        twin = kind in twins[what] and getattr(ROOMS[what], kind) is type(part)
        if part is not None and not twin:
            raise InputError(
                f"the {what} {kind} has no twin in C++, which has {', '.join(twins[what])}; "
                f"use engine numpy"
            )
    for name, value in description.loss.settings.items():
        if value:
            raise InputError(
                f"{description.loss}: {name} = {value} is not written in C++; use engine numpy"
            )
    for layer in _readers_of_pairs(description.model):
        if not isinstance(layer, Embedding | OneHot):
            raise InputError(
                f"engine native reads pairs with an Embedding or OneHot first in the encoder and "
                f"one right behind it, found {layer}; use engine numpy"
            )


def _readers_of_pairs(model: Sequential) -> list[Layer]:
    """What has to take the ids of the source, and those of the target."""
    first = model.layers[0]
    return [first.layers[0], *model.layers[1:2]] if isinstance(first, Encoder) else []


def _all_layers(model: Sequential) -> Iterator[Layer]:
    """Those inside of blocks, too."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, Sequential):
            yield from _all_layers(layer)


def check_rows(model: Sequential, example: Shape) -> None:
    """Refuse examples of which C++ has not got the rows that a layer works on.

    Raises      InputError
    """
    shape = example
    for layer in model.layers:
        if isinstance(layer, Block):
            check_rows(layer, shape[1:] if layer.encodes else shape)
        if isinstance(layer, OF_ROWS) and len(shape) > 2:
            raise InputError(
                f"{layer}: engine native takes examples of one axis here, or of two, time first; "
                f"found {shape}: use engine numpy"
            )
        shape = layer.output_shape(shape)


def checked_ids(model: Sequential, ids: Array) -> Array:
    """A copy of ids, all of which name a row: C++ reads the rows that they name.

    Raises      InputError
    """
    ids = ids.copy()
    for layer, own in readers(model, ids):
        if own.size and not PADDING <= own.min() <= own.max() < layer.sizes["vocabulary"]:
            check_ids(layer, own)
    return ids


def without_source(
    states: Mapping[str, Array], layers: Mapping[str, Stateful], inputs: Array
) -> Array:
    """Pairs whose source is padding where the memory is given, for then nobody reads it.

    Raises      InputError for a memory of no step
    """
    for name, layer in layers.items():
        if isinstance(layer, Encoder) and name in states:
            if not states[name].shape[1]:
                raise InputError(
                    f"{name} has no step to look at: leave it out, for the source to be read"
                )
            inputs = inputs.copy()
            inputs[:, 0] = PADDING
    return inputs


def check_positions(
    states: Mapping[str, Array], layers: Mapping[str, Stateful], inputs: Array
) -> None:
    """Refuse to go on where a table of positions ends, as the layer itself does: C++ reads the rows
    that the states lead to."""
    for name, layer in layers.items():
        state = states.get(name)
        if isinstance(layer, LearnedPositions) and state is not None:
            batch, time = inputs.shape[:2]
            if not 0 <= state.min(initial=0) <= state.max(initial=0) + time <= len(layer.P):
                x = np.zeros((batch, time, layer.P.shape[1]), layer.P.dtype)
                layer.forward(x, state.astype(x.dtype), real_steps(inputs))


def shortened(example: Shape, model: Sequential) -> Shape:
    """The shape of an example that NumPy may be asked about: its attention takes memory with the
    square of the steps, so that of a few of them where the layers would take more as well."""
    layers = [*_all_layers(model)]
    tables = [len(layer.P) for layer in layers if isinstance(layer, LearnedPositions)]
    attends = any(isinstance(layer, SelfAttention | MemoryLayer) for layer in layers)
    place = 1 if isinstance(layers[0], Encoder) else 0  # of the steps among the axes
    steps = example[place] if len(example) > place else 0
    if not attends or steps <= ASKED or steps > min(tables, default=steps):
        return example
    return *example[:place], ASKED, *example[place + 1 :]


def refuse_growing_streams(layers: Mapping[str, Stateful]) -> None:
    """Refuse to evaluate in streams where a state is of all steps so far.

    Raises      InputError
    """
    for name, layer in layers.items():
        if isinstance(layer, SelfAttention):
            raise InputError(
                f"the state of {name} is of all steps so far, and streams would keep the whole "
                "text: leave streams out, or use engine numpy"
            )


def check_targets(loss: Loss, targets: Array, output: Shape, dtype: np.dtype[Any]) -> None:
    """Refuse targets for an output of this shape as the loss does, which is asked about few where
    the shape is right: with the lowest label and with the highest."""
    examples, *each = output
    if are_labels(targets) and targets.shape == output[:-1] and examples:
        ends = targets.min(), targets.max()
        targets = np.stack([np.full(each[:-1], end, targets.dtype) for end in ends])
        examples = 2
    elif not are_labels(targets) and targets.shape == output and examples:
        targets, examples = targets[:1], 1
    y = np.zeros((examples, *each), dtype)
    with np.errstate(all="ignore"):
        loss.forward(y, loss.encode(targets, y.shape[-1], dtype))


def batches_of_padding(
    labels: NDArray[np.int64], order: NDArray[np.int64], size: int
) -> Iterator[NDArray[np.int64]]:
    """Those batches in which no label asks for anything."""
    if labels.ndim == 2 and np.any(labels == PADDING):
        for first in range(0, len(order), size):
            batch = labels[order[first : first + size]]
            if is_padding(batch):
                yield batch


def is_padding(targets: Array) -> bool:
    """Whether no label of a batch of sequences asks for anything."""
    return (
        are_labels(targets)
        and not are_answers(targets)
        and targets.size > 0
        and not np.any(is_token(targets))
    )


def check_order(order: NDArray[np.int64], examples: int) -> None:
    """C++ reads where the order points, so it has to point at examples."""
    if len(order) and not 0 <= order.min() <= order.max() < examples:
        wrong = int(order.min()) if order.min() < 0 else int(order.max())
        raise InputError(f"the order names example {wrong}, there are 0 to {examples - 1}")


def checked_rates(learning_rates: Sequence[float]) -> NDArray[np.float64]:
    shape = np.shape(learning_rates)
    if len(shape) != 1:
        raise ShapeError(f"learning rates have shape {shape}, expected one number for each step")
    return np.array([float(rate) for rate in learning_rates])
