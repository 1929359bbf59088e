"""What RNN, GRU and LSTM share: one step, and the loop over time.

A recurrent layer has a state: what it remembers from one step to the next. Here the state is no
part of the layer. It goes in and comes out as an array, so forward and backward stay pure, and a
long text can be read in pieces, a decoder can start where an encoder ended, and a run can be put
down and resumed:

    h, cache = layer.forward(x, state, mask)       no state is a state of zeros
    state = layer.final_state(cache)               what the next piece starts from
    dx, gradients = layer.backward(dh, cache)      as every layer has it
    dx, dstate, gradients = layer.backward_with_state(dh, dstate, cache)
                                                   ∂L/∂(final state) in, ∂L/∂(first state) out

A cell is one of these steps by itself, for models that decide at each step what comes next:

    state, cache = cell.forward(x, state)
    dx, dstate, gradients = cell.backward(dstate, cache)

The state is one array, of shape [batch, hidden], or [2, batch, hidden] for an LSTM, where
`h, c = state` takes it apart.

Truncated backpropagation through time is to hand `final_state` on from piece to piece and to call
`backward`, which takes each piece's first state for a constant.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn, Orthogonal, Zeros
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.masks import real_or_all
from byhand.randomness import stream

Kept = tuple[Array, ...]
"""What the derivative of one step needs; the first of them is the h that the step started from."""


class Recurrence(Layer):
    """stateₜ = f(xₜ, stateₜ₋₁): the equations of one step, without saying how often it is taken.

    The input takes part only through the sum u = x Wx + b, and u knows nothing of the state. So
    the u of all steps can be had before the first step is taken, as one large product in place of
    many small ones; and since the same Wx serves in every step, its gradient is a sum over steps,
    which is one product again:

        uₜ = xₜ Wx + b
        dWx = Σₜ xₜᵀ duₜ        db = Σₜ duₜ        dxₜ = duₜ Wxᵀ

    A kind of recurrence says how u and the old state make the new one, in `step`, and what the
    derivative is, in `step_backward`. The gates lie side by side in Wx, Wh, b, each as wide as the
    state.

    Parameters at the start: Wx ~ N(0, 1/in) (LeCun et al. 1998); each gate's square block of Wh
    orthogonal, so that a signal is neither stretched nor shrunk by it, however many steps it takes
    (Saxe, McClelland, Ganguli 2014); biases 0.
    """

    gates: ClassVar[int]
    """How many sums of the inputs the step is made of."""
    weights = ("Wx", "Wh")

    Wx: Array
    Wh: Array
    b: Array

    def __init__(
        self,
        n_in: int,
        hidden: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
        recurrent_weights: Initializer = Orthogonal(),
        biases: Initializer = Zeros(),
    ) -> None:
        super().__init__(name=name)
        if n_in < 1 or hidden < 1:
            raise InputError(f"{self}: sizes are at least 1, found in = {n_in}, hidden = {hidden}")
        self.sizes = {"in": n_in, "hidden": hidden}
        self.weight_initializer = weights
        self.recurrent_initializer = recurrent_weights
        self.bias_initializer = biases

    def step(self, u: Array, state: Array) -> tuple[Array, Kept]:
        """The next state, and what its derivative needs. u[batch, gates · hidden]"""
        raise NotImplementedError

    def step_backward(self, dnew: Array, kept: Kept) -> tuple[Array, Array]:
        """du and dstate, for the gradient dnew of the state that the step has made."""
        raise NotImplementedError

    def from_input(self, x: Array) -> Array:
        """u = x Wx + b, for as many rows as x has."""
        u: Array = x @ self.Wx + self.b
        return u

    def gradients(self, x: Array, du: Array, kept: list[Kept]) -> Gradients:
        """Those of the parameters, over any number of steps.

        x[rows, in] and du[rows, gates · hidden] have the steps one below the other, `kept` has
        them as a list. Right where Wh enters as h Wh, added to u.
        """
        h = np.concatenate([step[0] for step in kept])
        return {"Wx": x.T @ du, "Wh": h.T @ du, "b": du.sum(axis=0)}

    def state_shape(self, batch: int) -> Shape:
        return batch, self.sizes["hidden"]

    def zero_state(self, batch: int) -> Array:
        """The state of one who has seen nothing yet."""
        return np.zeros(self.state_shape(batch), self.Wx.dtype)

    @staticmethod
    def output_of(state: Array) -> Array:
        """The part h[batch, hidden] of a state, not copied."""
        return state

    def check_state(self, x: Array, **states: Array) -> None:
        """Refuse a state, or a gradient of one, that is not of x's batch and of the hidden size.

        Raises      ShapeError, DTypeError
        """
        expected = self.state_shape(len(x))
        for symbol, value in states.items():
            if np.ndim(value) != len(expected) and isinstance(value, np.ndarray):
                raise ShapeError(
                    f"{self}: {symbol} has shape {value.shape}, expected {expected} = "
                    f"[{', '.join(self.axes['state'])}] ({self.equation})"
                )
            self.check(x=x, **{symbol: value})

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Recurrence:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        n_in, hidden = self.sizes["in"], self.sizes["hidden"]

        def drawn(initializer: Initializer, rows: int) -> Array:
            blocks = [
                initializer.draw(rng, (rows, hidden), rows, hidden, dtype)
                for _ in range(self.gates)
            ]
            return np.concatenate(blocks, axis=1)

        self.Wx = drawn(self.weight_initializer, n_in)
        self.Wh = drawn(self.recurrent_initializer, hidden)
        self.b = self.bias_initializer.draw(rng, (self.gates * hidden,), n_in, hidden, dtype)
        return self


class Cell(Recurrence):
    """stateₜ = f(xₜ, stateₜ₋₁), one step: the state goes in and out beside x and its gradient."""

    def forward(  # type: ignore[override]  # a step has a state beside its input
        self, x: Array, state: Array
    ) -> tuple[Array, tuple[Array, Kept]]:
        """The new state. Its h, `output_of(state)`, is what the step has to say."""
        self.check(x=x)
        self.check_state(x, state=state)
        new, kept = self.step(self.from_input(x), state)
        return new, (x, kept)

    def backward(  # type: ignore[override]  # and so has its derivative
        self, dstate: Array, cache: tuple[Array, Kept]
    ) -> tuple[Array, Array, Gradients]:
        """dx, the gradient of the state that came in, and the gradients of the parameters, for the
        gradient of the state that went out."""
        x, kept = cache
        self.check_state(x, dstate=dstate)
        du, dprevious = self.step_backward(dstate, kept)
        dx = du @ self.Wx.T
        return dx, dprevious, self.gradients(x, du, [kept])

    def output_shape(self, input_shape: Shape) -> Shape:
        return (self.sizes["hidden"],)


class Cache(NamedTuple):
    """What a pass over a sequence leaves behind."""

    x: Array
    real: Array | None
    """Which steps are no padding, [batch, time]; None where all are real."""
    kept: list[Kept]
    state: Array
    """After the last step."""


class RecurrentLayer(Recurrence):
    """stateₜ = f(xₜ, stateₜ₋₁) for t = 1 … time, with the same parameters in every step.

    Shapes      x[batch, time, in]   mask[batch, time]   h[batch, time, hidden]

    Derivatives through time, given dh[t] = ∂L/∂hₜ of the output alone. The state after step t is
    used twice: hₜ is the output at t, and the state is what step t + 1 starts from. What is used
    twice has the sum of both gradients, so from the last step to the first

        dstateₜ   = dh[t] (for its part h) + what step t + 1 handed back
        duₜ, dstateₜ₋₁ = the derivative of one step, at dstateₜ

    after the last step there is no other use but the final state's, so it begins with ∂L/∂(final
    state); what is left at the end is ∂L/∂(first state). A parameter is used in every step, so its
    gradient is the sum over steps.

    A mask is 1 where a step is real and 0 where it is padding. In padding the state is carried on
    as it is, and h is 0. So is its derivative: the gradient of the state goes past the step
    unchanged, dx is 0, and neither what the padding holds nor a gradient given there has any
    effect.

    Source      Werbos, Backpropagation through time: what it does and how to do it (1990).
    """

    def forward(
        self, x: Array, state: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, Cache]:
        self._check_sequence(x)
        batch, time, _ = x.shape
        state = self.zero_state(batch) if state is None else state
        self.check_state(x, state=state)
        real = None if mask is None else real_or_all(self, mask, x)
        if real is not None:
            x = np.where(real[..., None], x, 0)  # 0 · NaN would be NaN, in dWx
        u = self.from_input(_by_time(x)).reshape(time, batch, len(self.b))
        h, kept = np.zeros((batch, time, self.sizes["hidden"]), x.dtype), []
        for t in range(time):
            new, needed = self.step(u[t], state)
            kept.append(needed)
            if real is None:
                state = new
                h[:, t] = self.output_of(state)
            else:
                here = real[:, t, None]
                state = np.where(here, new, state)
                h[:, t] = np.where(here, self.output_of(state), 0)
        return h, Cache(x, real, kept, state)

    def final_state(self, cache: Cache) -> Array:
        """The state after the last step, to start the next piece from."""
        return cache.state

    def backward(self, dh: Array, cache: Cache) -> tuple[Array, Gradients]:
        """With the first state as a constant and the final state of no further use."""
        dx, _, gradients = self.backward_with_state(dh, None, cache)
        return dx, gradients

    def backward_with_state(
        self, dh: Array, dstate: Array | None, cache: Cache
    ) -> tuple[Array, Array, Gradients]:
        """dx, ∂L/∂(first state) and the gradients of the parameters.

        dstate      ∂L/∂(final state), where the state was handed on; None for zeros
        """
        x, real, kept, _ = cache
        self.check(x=x, dh=dh)
        batch, time, n_in = x.shape
        dstate = self.zero_state(batch) if dstate is None else dstate
        self.check_state(x, dstate=dstate)
        du = np.empty((time, batch, len(self.b)), x.dtype)
        for t in reversed(range(time)):
            dnew = dstate.copy()
            self.output_of(dnew)[...] += dh[:, t]
            if real is None:
                du[t], dstate = self.step_backward(dnew, kept[t])
            else:
                here = real[:, t, None]
                du[t], through = self.step_backward(np.where(here, dnew, 0), kept[t])
                dstate = np.where(here, through, dstate)
        rows = du.reshape(time * batch, len(self.b))
        dx = (rows @ self.Wx.T).reshape(time, batch, n_in).swapaxes(0, 1)
        return dx, dstate, self.gradients(_by_time(x), rows, kept)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.sizes["in"]:
            raise ShapeError(
                f"{self}: an example of x has shape {input_shape}, expected (time, in) with in = "
                f"{self.sizes['in']} ({self.equation})"
            )
        return input_shape[0], self.sizes["hidden"]

    def _check_sequence(self, x: Array) -> None:
        self.check(x=x)
        if x.shape[1] == 0:
            raise ShapeError(
                f"{self}: x has time = 0, expected at least one step ({self.equation})"
            )


def _by_time(x: Array) -> Array:
    """x[batch, time, in] as rows: all examples at the first step, then all at the second."""
    return x.swapaxes(0, 1).reshape(-1, x.shape[2])
