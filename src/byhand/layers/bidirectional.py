"""Two recurrent layers, one for each direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import NormalFanIn
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.recurrent import Cache, RecurrentLayer
from byhand.layers.rnn import RNN
from byhand.randomness import stream

States = tuple[Array, Array]
Caches = tuple[Cache, Cache, Array]


class Bidirectional(Layer):
    """hₜ = (→hₜ, ←hₜ): what one layer knows from the steps up to t, and another from those after.

    Shapes      x[batch, time, in]   mask[batch, time]   h[batch, time, hidden → and ←]
                the state is a pair, the forward layer's and the reverse layer's

    With R for turning the steps of each sequence round:

        h = (forward(x), R reverse(R x))

    Turned are the real steps only, those with mask 1; padding stays where it is. So the reverse
    layer begins with the last real step of each sequence, and its final state is after the first.

    Derivatives, given dh = (→dh, ←dh). R only moves numbers, and twice R is nothing, so its
    derivative is R itself; x is used by both layers, so its gradients add up:

        dx = →dx + R ←dx        where →dx is forward's for →dh, and ←dx reverse's for R ←dh

    The parameters are those of the two layers, as forward_Wx and reverse_Wx, and so on.

    Source      Schuster, Paliwal, Bidirectional recurrent neural networks (1997).
    """

    equation = "hₜ = (→hₜ, ←hₜ)"
    axes = {"x": ("batch", "time", "in"), "h": ("batch", "time", "out")}

    def __init__(
        self, forward: RecurrentLayer, reverse: RecurrentLayer, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        if forward is reverse:
            raise InputError(f"{self}: both directions are one layer object; make one for each")
        if forward.sizes["in"] != reverse.sizes["in"]:
            raise InputError(
                f"{self}: both layers read the same x, found in = {forward.sizes['in']} and "
                f"in = {reverse.sizes['in']}"
            )
        self.directions = {"forward": forward, "reverse": reverse}
        self.sizes = {
            "in": forward.sizes["in"],
            "out": forward.sizes["hidden"] + reverse.sizes["hidden"],
        }
        # What other layers declare once for their class depends here on the two layers.
        vars(self).update(
            axes={"x": self.axes["x"], **self._parameter_axes(), "h": self.axes["h"]},
            parameter_names=self._both("parameter_names"),
            weights=self._both("weights"),
            setting_names=self._both("setting_names"),
        )

    def forward(
        self, x: Array, state: States | None = None, mask: Array | None = None
    ) -> tuple[Array, Caches]:
        self.check(x=x)
        first = self._pair("state", state)
        ahead, forward_cache = self.directions["forward"].forward(x, first[0], mask)
        order = _turned(x.shape[:2], forward_cache.real)
        back, reverse_cache = self.directions["reverse"].forward(_at(x, order), first[1], mask)
        h = np.concatenate((ahead, _at(back, order)), axis=2)
        return h, (forward_cache, reverse_cache, order)

    def final_state(self, cache: Caches) -> States:
        """The forward layer's, after the last step, and the reverse layer's, after the first."""
        return cache[0].state, cache[1].state

    def backward(self, dh: Array, cache: Caches) -> tuple[Array, Gradients]:
        """With the first states as constants and the final states of no further use."""
        dx, _, gradients = self.backward_with_state(dh, None, cache)
        return dx, gradients

    def backward_with_state(
        self, dh: Array, dstate: States | None, cache: Caches
    ) -> tuple[Array, States, Gradients]:
        """dx, ∂L/∂(first states) and the gradients of the parameters.

        dstate      ∂L/∂(final states), where they were handed on; None for zeros
        """
        forward_cache, reverse_cache, order = cache
        self.check(x=forward_cache.x, dh=dh)
        last = self._pair("dstate", dstate)
        forward, reverse = self.directions.values()
        ahead, back = np.split(dh, [forward.sizes["hidden"]], axis=2)
        dx, dstate_ahead, own = forward.backward_with_state(ahead, last[0], forward_cache)
        dx_turned, dstate_back, others = reverse.backward_with_state(
            _at(back, order), last[1], reverse_cache
        )
        gradients = {f"forward_{symbol}": value for symbol, value in own.items()}
        gradients |= {f"reverse_{symbol}": value for symbol, value in others.items()}
        return dx + _at(dx_turned, order), (dstate_ahead, dstate_back), gradients

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Bidirectional:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        for layer in self.directions.values():
            layer.initialize(rng, dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        for layer in self.directions.values():
            time, _ = layer.output_shape(input_shape)
        return time, self.sizes["out"]

    def _pair(self, symbol: str, states: States | None) -> tuple[Array | None, Array | None]:
        if states is None:
            return None, None
        if len(states) != 2:
            raise ShapeError(
                f"{self}: {symbol} has {len(states)} parts, expected a pair, the forward layer's "
                f"and the reverse layer's ({self.equation})"
            )
        return states

    def _both(self, attribute: str) -> tuple[str, ...]:
        """The names that a layer lists there, of both layers."""
        return tuple(
            f"{direction}_{name}"
            for direction, layer in self.directions.items()
            for name in getattr(layer, attribute)
        )

    def _parameter_axes(self) -> dict[str, tuple[str, ...]]:
        """Each layer's, of its own width: only the axis in is common to both."""
        return {
            f"{direction}_{symbol}": tuple(
                axis if axis == "in" else f"{direction} {axis}" for axis in layer.axes[symbol]
            )
            for direction, layer in self.directions.items()
            for symbol in layer.parameter_names
        }

    def __getattr__(self, symbol: str) -> Any:
        """forward_Wx is the forward layer's Wx."""
        direction, _, own = symbol.partition("_")
        if direction in ("forward", "reverse"):
            return getattr(self.directions[direction], own)
        return super().__getattr__(symbol)

    def __setattr__(self, symbol: str, value: Any) -> None:
        direction, _, own = symbol.partition("_")
        if direction in ("forward", "reverse"):
            setattr(self.directions[direction], own, value)
        else:
            super().__setattr__(symbol, value)


def _turned(shape: Shape, real: Array | None) -> Array:
    """For each step of each sequence, the step that stands there once the real ones are turned."""
    batch, time = shape
    order = np.tile(np.arange(time), (batch, 1))
    if real is None:
        return order[:, ::-1]
    for steps, are_real in zip(order, real, strict=True):
        steps[are_real] = steps[are_real][::-1]
    return order


def _at(x: Array, order: Array) -> Array:
    """x[n, order[n, t]] for all n and t."""
    return np.take_along_axis(x, order[..., None], axis=1)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    both = RNN(4, 3, biases=NormalFanIn()), RNN(4, 2, biases=NormalFanIn())
    return {"self": Bidirectional(*both).initialize(rng), "x": rng.standard_normal((2, 5, 4))}
