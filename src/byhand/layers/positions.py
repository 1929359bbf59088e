"""What layers that add a position share: where in its sequence a step stands."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.errors import DTypeError, ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.masks import real_or_all


class Place(NamedTuple):
    """What adding a position leaves behind."""

    real: Array
    """Which steps are no padding, [batch, time]."""
    positions: Array
    """Of each step, [batch, time]; in padding it says nothing."""
    state: Array
    """How many real steps there were up to the end of the piece, [batch]."""


class Positions(Layer):
    """y = x + P[position]: what stands where.

    Shapes      x[batch, time, features]   mask[batch, time]   P[positions, features]
                y[batch, time, features]

    Attention by itself does not know the order of its keys: they are a set. A row of P says where
    a step stands, in the same numbers that say what stands there.

    A step's position is the number of real steps before it, those with mask 1. So padding takes no
    place, wherever it lies; there y is 0, and neither what it holds nor its gradient has an effect.
    The state is how many real steps there were so far, state[batch], and where a sequence goes on,
    positions do, too. It is an array of the model's dtype, as all states are.

    Derivative  P does not depend on x, so dx = dy where a step is real, and 0 in padding.
    """

    equation = "y = x + P[position]"
    axes = {"x": ("batch", "time", "features"), "y": ("batch", "time", "features")}

    def table(self, positions: Array, dtype: np.dtype[Any]) -> Array:
        """P[positions], one row for each."""
        raise NotImplementedError

    def forward(
        self, x: Array, state: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, Place]:
        self.check(x=x)
        real = real_or_all(self, mask, x)
        state = self.zero_state(len(x), x.dtype) if state is None else state
        self._check_state(x, state)
        before = np.rint(state).astype(np.int64)
        positions = np.maximum(before[:, None] + np.cumsum(real, axis=1) - 1, 0)
        y = np.where(real[..., None], x + self.table(positions, x.dtype), 0)
        return y, Place(real, positions, state + real.sum(axis=1).astype(x.dtype))

    def final_state(self, place: Place) -> Array:
        """The number of steps so far, to start the next piece from."""
        return place.state

    def backward(self, dy: Array, place: Place) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        if dy.shape[:2] != place.real.shape:
            raise ShapeError(
                f"{self}: dy has [batch, time] = {dy.shape[:2]}, x has {place.real.shape} "
                f"({self.equation})"
            )
        dx = np.where(place.real[..., None], dy, 0)
        return dx, self.table_gradients(dx, place.positions)

    def table_gradients(self, dx: Array, positions: Array) -> Gradients:
        """Those of the rows that were added, where they are parameters."""
        return {}

    def state_shape(self, batch: int) -> Shape:
        return (batch,)

    def zero_state(self, batch: int, dtype: np.dtype[Any]) -> Array:
        """Nothing was seen yet."""
        return np.zeros(self.state_shape(batch), dtype)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.sizes["features"]:
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, expected (time, features) with "
                f"features = {self.sizes['features']} ({self.equation})"
            )
        return input_shape

    def _check_state(self, x: Array, state: Array) -> None:
        if state.shape != self.state_shape(len(x)):
            raise ShapeError(
                f"{self}: state has shape {state.shape}, expected {self.state_shape(len(x))} = "
                f"[batch], the number of steps so far ({self.equation})"
            )
        if state.dtype != x.dtype:
            raise DTypeError(f"{self}: state is {state.dtype}, x is {x.dtype} ({self.equation})")
