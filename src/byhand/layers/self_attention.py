"""Multi-head self-attention: every step looks at the steps of its own sequence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.attention import Attended
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.masks import causal, real_or_all
from byhand.layers.multi_head import MultiHead, gradient_of_weights, join_heads, split_heads
from byhand.layers.rotary import Rotary


class Looked(NamedTuple):
    """What self-attention leaves behind."""

    x: Array
    real: Array
    """Which steps are no padding, [batch, time]."""
    theta: Array | None
    """The angles of rotary positions."""
    attended: Attended
    """Its p[batch, heads, time, past + time] is what each step has looked at."""
    o: Array
    """The outputs of the heads side by side, [batch, time, width]."""
    state: Array
    """After the last step."""


class SelfAttention(MultiHead):
    """y = (attention(x Wq, x Wk, x Wv) of each head) Wo: every step of x takes from all steps what
    answers to its query.

    Shapes      x[batch, time, width]   mask[batch, time]   Wq, Wo[width, width]
                Wk, Wv[width, kv_heads d]   y[batch, time, width]   with d = width/heads
                state[batch, past, 2 kv_heads d + 1], no step unless given

    Settings    heads, kv_heads     as MultiHead explains them
                causal              a step sees itself and the steps before it, none after it
                rotary              queries and keys are turned by their positions, see Rotary

        q = x Wq    k = x Wk    v = x Wv      each then in heads: [batch, heads, time, d]
        q = R q     k = R k                   where positions are rotary
        k = (past k, k)   v = (past v, v)     after what the state holds, along time
        o = attention(q, k, v)                ScaledDotProductAttention, head by head
        y = o Wo                              o side by side again: [batch, time, width]

    Derivatives, given dy = ∂L/∂y. From below upwards; attention's and R's are derived there:

        dWo = oᵀ dy                           do = dy Woᵀ
        dq, dk, dv                            of attention, for do
        past dk, dk = dk   past dv, dv = dv   taken apart along time; the past is the state's
        dq = Rᵀ dq   dk = Rᵀ dk
        dWq = xᵀ dq   dWk = xᵀ dk   dWv = xᵀ dv     summed over batch and time

    x has three uses, as query, key and value, and their gradients add up:

        dx = dq Wqᵀ + dk Wkᵀ + dv Wvᵀ

    The state is the keys and the values of all steps so far, as they came out of Wk, Wv and R, and
    a 1 for a step that is real, 0 for padding: one row for each step. A sequence that is read in
    pieces has the same outputs as in one, if it is causal; a key is not computed twice.

    Padding, where mask is 0, is looked at by nobody, takes no position and has y = 0; neither what
    it holds nor a gradient given there has any effect.

    Source      Vaswani et al., Attention is all you need (2017), section 3.2.2; kv_heads: Ainslie
                et al., GQA (2023); rotary: Su et al., RoFormer (2021).
    Raises      InputError for a state without causal: the steps before would have to look again.
    """

    equation = "y = attention(x Wq, x Wk, x Wv) Wo"
    axes = {
        "x": ("batch", "time", "width"),
        "Wq": ("width", "heads d"),
        "Wk": ("width", "kv_heads d"),
        "Wv": ("width", "kv_heads d"),
        "Wo": ("heads d", "width"),
        "state": ("batch", "past", "2 kv_heads d + 1"),
        "y": ("batch", "time", "width"),
    }
    setting_names = ("heads", "kv_heads", "causal", "rotary")

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        causal: bool = False,
        rotary: bool = False,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(width, heads, kv_heads=kv_heads, name=name, weights=weights)
        if rotary and self.d % 2:
            raise InputError(
                f"{self}: rotary turns pairs, so width/heads is even, found width = {width}, "
                f"heads = {heads}"
            )
        self.causal, self.rotary = causal, rotary
        self.rotation = Rotary()

    def forward(
        self, x: Array, state: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, Looked]:
        self.check(x=x)
        real = real_or_all(self, mask, x)
        state = self._first_state(x, state)
        past_k, past_v, past_real = self._taken_apart(state)
        x = np.where(real[..., None], x, 0)  # 0 · NaN would be NaN, in dWq
        q = split_heads(x @ self.Wq, self.heads)
        k = split_heads(x @ self.Wk, self.kv_heads)
        v = split_heads(x @ self.Wv, self.kv_heads)
        theta = None
        if self.rotary:
            positions = past_real.sum(axis=1, keepdims=True) + np.cumsum(real, axis=1) - 1
            q, theta = self.rotation.forward(q, positions)
            k, _ = self.rotation.forward(k, positions)
        k, v = np.concatenate((past_k, k), axis=2), np.concatenate((past_v, v), axis=2)
        all_real = np.concatenate((past_real, real), axis=1)
        o, attended = self.attention.forward(q, k, v, self._allowed(all_real, x.shape[1]))
        o = join_heads(o)
        y = np.where(real[..., None], o @ self.Wo, 0)
        return y, Looked(x, real, theta, attended, o, _put_together(k, v, all_real))

    def final_state(self, cache: Looked) -> Array:
        """Keys and values of all steps so far, to start the next piece from."""
        return cache.state

    def backward(self, dy: Array, cache: Looked) -> tuple[Array, Gradients]:
        """With the first state as a constant and the final state of no further use."""
        dx, _, gradients = self.backward_with_state(dy, None, cache)
        return dx, gradients

    def backward_with_state(
        self, dy: Array, dstate: Array | None, cache: Looked
    ) -> tuple[Array, Array, Gradients]:
        """dx, ∂L/∂(first state) and the gradients of the parameters.

        dstate      ∂L/∂(final state), where the state was handed on; None for zeros
        """
        x, real, theta, attended, o, state = cache
        self.check(x=x, dy=dy)
        dy = np.where(real[..., None], dy, 0)
        dWo = gradient_of_weights(o, dy)
        do = split_heads(dy @ self.Wo.T, self.heads)
        dq, dk, dv, _ = self.attention.backward(do, attended)
        if dstate is not None:
            self._check_state(x, "dstate", dstate, len(state[0]))
            more_dk, more_dv, _ = self._taken_apart(dstate)
            dk, dv = dk + more_dk, dv + more_dv
        past = dk.shape[2] - x.shape[1]
        dfirst = _put_together(dk[:, :, :past], dv[:, :, :past], np.zeros((len(x), past)))
        dk, dv = dk[:, :, past:], dv[:, :, past:]
        if theta is not None:
            dq, _ = self.rotation.backward(dq, theta)
            dk, _ = self.rotation.backward(dk, theta)
        dq, dk, dv = join_heads(dq), join_heads(dk), join_heads(dv)
        dWq, dWk, dWv = (gradient_of_weights(x, d) for d in (dq, dk, dv))
        dx = dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T
        dx = np.where(real[..., None], dx, 0)
        return dx, dfirst, {"Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": dWo}

    def state_shape(self, batch: int, past: int = 0) -> Shape:
        return batch, past, 2 * self.kv_heads * self.d + 1

    def zero_state(self, batch: int) -> Array:
        """The state of one who has seen nothing yet."""
        return np.zeros(self.state_shape(batch), self.Wk.dtype)

    def _allowed(self, real: Array, time: int) -> Array:
        """[batch, time or 1, past + time]"""
        return real[:, None] & causal(time, real.shape[1]) if self.causal else real[:, None]

    def _taken_apart(self, state: Array) -> tuple[Array, Array, Array]:
        """Keys and values[batch, kv_heads, past, d], and which steps are real."""
        k, v = np.split(state[..., :-1], 2, axis=-1)
        real: Array = state[..., -1] != 0
        return split_heads(k, self.kv_heads), split_heads(v, self.kv_heads), real

    def _first_state(self, x: Array, state: Array | None) -> Array:
        if state is None:
            return self.zero_state(len(x))
        if not self.causal:
            raise InputError(
                f"{self}: without causal=True the steps before look at those that follow, so no "
                f"piece can go on from their state ({self.equation})"
            )
        self._check_state(x, "state", state, state.shape[1] if state.ndim == 3 else 0)
        return state

    def _check_state(self, x: Array, symbol: str, state: Array, past: int) -> None:
        expected = self.state_shape(len(x), past)
        if state.shape != expected:
            raise ShapeError(
                f"{self}: {symbol} has shape {state.shape}, expected {expected} = "
                f"[{', '.join(self.axes['state'])}] ({self.equation})"
            )
        if state.dtype != x.dtype:
            raise DTypeError(
                f"{self}: {symbol} is {state.dtype}, x is {x.dtype} ({self.equation}); "
                f"convert it with {symbol}.astype(np.{x.dtype})"
            )


def _put_together(k: Array, v: Array, real: Array) -> Array:
    """A state: what each step is known by, one row for each."""
    return np.concatenate((join_heads(k), join_heads(v), real[..., None].astype(k.dtype)), axis=2)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: two heads that share their keys, and positions."""
    layer = SelfAttention(12, 2, kv_heads=1, causal=True, rotary=True).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 3, 12))}
