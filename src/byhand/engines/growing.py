"""States as C++ takes and leaves them: those that are a row for each step so far are in arrays with
room for the steps to come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from byhand.engines.program import Array, Stateful
from byhand.layers import Encoder, SelfAttention

LEAST = 64


class GrowingStates:
    """Where the native engine puts the keys and values of the layers of a program.

    A state that it hands out is the first rows of an array with more room. Where the next piece
    starts from that very state, its rows go behind it, and nothing is copied; the rows of a state
    that was handed out are never written again. A state from anywhere else is copied once.
    """

    def __init__(self, dtype: np.dtype[np.floating]) -> None:
        self._dtype = dtype
        self._kept: dict[str, tuple[Array, int]] = {}

    def begin(
        self, layers: Mapping[str, Stateful], states: Mapping[str, Array], batch: int, time: int = 1
    ) -> tuple[dict[str, Array], tuple[list[Array | None], list[Array], list[int], list[int]]]:
        """The states that there will be after so many more steps, for C++ to fill in; and of each
        layer what it starts from, the array that it writes to, the steps in that, and its room."""
        after: dict[str, Array] = {}
        before: list[Array | None] = []
        into: list[Array] = []
        steps: list[int] = []
        rooms: list[int] = []
        for name, layer in layers.items():
            state, past, room = states.get(name), 0, 0
            if isinstance(layer, SelfAttention):
                rows, past = self.room_for(name, layer, state, batch, time)
                state, room = None, rows.shape[1]
                after[name] = rows[:, : past + time]
            elif isinstance(layer, Encoder):
                rows, past = self._memory(layer, state, batch, time)
                state, room = None, rows.shape[1]
                after[name] = rows
            else:
                rows = after[name] = np.empty(layer.state_shape(batch), self._dtype)
            before.append(None if state is None else np.ascontiguousarray(state, self._dtype))
            into.append(rows)
            steps.append(past)
            rooms.append(room)
        return after, (before, into, steps, rooms)

    def _memory(
        self, layer: Encoder, state: Array | None, batch: int, time: int
    ) -> tuple[Array, int]:
        """That of an encoder does not grow: it is of the source, whatever the target's steps."""
        if state is None:
            return np.empty(layer.state_shape(batch, time), self._dtype), 0
        return np.array(state, self._dtype, order="C"), state.shape[1]

    def room_for(
        self, name: str, layer: SelfAttention, state: Array | None, batch: int, time: int
    ) -> tuple[Array, int]:
        """An array with the rows of this state in front and room for `time` more, and how many
        steps the state has."""
        past = 0 if state is None else state.shape[1]
        rows, filled = self._kept.get(name, (None, 0))
        if rows is None or not _is_start(state, rows, filled) or rows.shape[1] < past + time:
            rows = np.zeros(layer.state_shape(batch, max(LEAST, 2 * (past + time))), self._dtype)
            if state is not None:
                rows[:, :past] = state
        self._kept[name] = rows, past + time
        return rows, past


def _is_start(state: Array | None, rows: Array, filled: int) -> bool:
    """Whether a state is all that these rows are filled with."""
    return (
        state is not None
        and state.base is rows
        and state.strides == rows.strides
        and state.shape == (len(rows), filled, rows.shape[2])
    )
