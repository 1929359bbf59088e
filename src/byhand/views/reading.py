"""What goes on in the recurrent layers of a network while it reads a text, in our own layers,
whatever engine it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from byhand.data import Split, Vocabulary
from byhand.engines.program import recurrent_layers
from byhand.errors import InputError
from byhand.layers import GRU, LSTM, Sequential
from byhand.layers.embedding import PADDING
from byhand.layers.recurrent import Cache, RecurrentLayer
from byhand.training.sampling import spelled
from byhand.views.focus import place_of
from byhand.views.subject import DoesNotApply

Array = NDArray[Any]
STRETCH, WARM = 1000, 200
"""Tokens of a stretch of the text; stretches are read side by side, each from so many tokens before
its own on, so that the network knows where it is."""
PIECE = 100
"""Steps that are taken at once: what backward would need is kept for no longer."""


@dataclass(frozen=True)
class Reading:
    """What each recurrent layer, by its name, had at every step of a text.

    cells       {layer: [time, hidden]} from −1 to 1: tanh(c) of an LSTM, h of a GRU or an RNN
    gates       {layer: {gate: [time, hidden]}} from 0 to 1; an RNN has none
    """

    cells: dict[str, Array]
    gates: dict[str, dict[str, Array]]


def read(model: Sequential, ids: Array) -> Reading:
    """Read ids[time]."""
    names = [str(layer.name) for layer in recurrent_layers(model)]
    cells: dict[str, list[Array]] = {name: [] for name in names}
    gates: dict[str, dict[str, list[Array]]] = {name: {} for name in names}
    with one_thread():
        for layer, cache in _caches(model, _stretches(ids)):
            name = str(layer.name)
            cells[name].append(_cells(layer, cache))
            for gate, values in _gates(layer, cache).items():
                gates[name].setdefault(gate, []).append(values)
    time = len(ids)
    return Reading(
        {name: _joined(pieces, time) for name, pieces in cells.items()},
        {
            name: {gate: _joined(pieces, time) for gate, pieces in own.items()}
            for name, own in gates.items()
        },
    )


def one_thread() -> AbstractContextManager[object]:
    """The products of a single step are small: on two threads they mostly wait for each other."""
    limit: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limit


def _stretches(ids: Array) -> Array:
    """The text cut into rows[stretches, WARM + length], padding where there is none of it."""
    length = min(STRETCH, len(ids))
    count = -(-len(ids) // length)
    padded = np.full(WARM + count * length, PADDING)
    padded[WARM : WARM + len(ids)] = ids
    return np.stack([padded[k * length : WARM + (k + 1) * length] for k in range(count)])


def _caches(model: Sequential, rows: Array) -> Iterator[tuple[RecurrentLayer, Cache]]:
    """What the recurrent layers keep of one piece of the rows after the other."""
    states: dict[str, Array] = {}
    for start in range(0, rows.shape[1], PIECE):
        _, caches = model.forward(rows[:, start : start + PIECE], states=states)
        states = model.final_states(caches)
        for layer, cache in zip(model.layers, caches, strict=True):
            if isinstance(layer, RecurrentLayer):
                yield layer, cache


def _joined(pieces: list[Array], time: int) -> Array:
    """Pieces[steps, stretches, hidden] as the one text that they are of: [time, hidden]."""
    rows = np.concatenate(pieces)[WARM:].swapaxes(0, 1)
    return rows.reshape(-1, rows.shape[2])[:time]


def _cells(layer: RecurrentLayer, cache: Cache) -> Array:
    if isinstance(layer, LSTM):
        return _kept(cache, 6)
    # A step starts from the h of the step before it.
    return np.concatenate([_kept(cache, 0)[1:], layer.output_of(cache.state)[None]])


def _gates(layer: RecurrentLayer, cache: Cache) -> dict[str, Array]:
    if isinstance(layer, LSTM):
        places = {"input": 2, "forget": 3, "output": 5}
    elif isinstance(layer, GRU):
        places = {"reset": 1, "update": 2}
    else:
        places = {}
    return {gate: _kept(cache, place) for gate, place in places.items()}


def _kept(cache: Cache, place: int) -> Array:
    """Of what each step kept, the array at this place: [steps, stretches, hidden]."""
    return np.stack([step[place] for step in cache.kept])


def tokens_of(split: Split, most: int, first: int = 0) -> Array:
    """The text of a split as ids[time] out of its windows, from the `first` window on: so many
    tokens, and a window more at most."""
    windows = -(-most // split.inputs.shape[1])
    return split.inputs[first : first + windows].reshape(-1)


def pieces_of(ids: Array, vocabulary: Vocabulary) -> list[str]:
    """What each token adds to the text."""
    return list(islice(spelled(ids.tolist(), vocabulary), len(ids)))


def chosen_layers(model: Sequential, name: str | None) -> list[str]:
    """The recurrent layer of this name, or all of them.

    Raises      DoesNotApply where there is none; InputError for a layer that there is not, or that
                is not recurrent
    """
    names = [str(layer.name) for layer in recurrent_layers(model)]
    if not names:
        raise DoesNotApply("recurrent layers are needed, and the network has none")
    if name is None:
        return names
    place_of(model, name)
    if name not in names:
        raise InputError(f"layer {name} has no state; there is {', '.join(names)}")
    return [name]
