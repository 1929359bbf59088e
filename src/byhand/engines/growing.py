"""States that are a row for each step so far, in arrays with room for the steps to come."""

from __future__ import annotations

import numpy as np

from byhand.engines.program import Array
from byhand.layers import SelfAttention

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
