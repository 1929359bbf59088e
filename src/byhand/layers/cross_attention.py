"""Multi-head cross-attention: every step of one sequence looks at those of another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.layers.attention import Attended
from byhand.layers.base import Array, Gradients
from byhand.layers.memory import MemoryLayer
from byhand.layers.multi_head import MultiHead, gradient_of_weights, join_heads, split_heads


class Crossed(NamedTuple):
    """What cross-attention leaves behind."""

    x: Array
    m: Array
    real: Array
    """Which steps of x are no padding, [batch, time]."""
    attended: Attended
    """Its p[batch, heads, time, source] is the alignment."""
    o: Array
    """The outputs of the heads side by side, [batch, time, width]."""


class CrossAttention(MultiHead, MemoryLayer):
    """y = (attention(x Wq, m Wk, m Wv) of each head) Wo: every step of x takes from the memory m
    what answers to its query.

    Shapes      x[batch, time, width]   m[batch, source, width]   Wq, Wo[width, width]
                Wk, Wv[width, kv_heads d]   y[batch, time, width]   with d = width/heads
                mask[batch, time] of x and memory_mask[batch, source] of m, 0 in padding

    In a translation x is what the decoder has so far, m what the encoder says of the source.

        q = x Wq    k = m Wk    v = m Wv      each then in heads: [batch, heads, time or source, d]
        o = attention(q, k, v)                ScaledDotProductAttention, head by head
        y = o Wo                              o side by side again: [batch, time, width]

    Derivatives, given dy = ∂L/∂y. As in SelfAttention, but key and value come from m:

        dWo = oᵀ dy                           do = dy Woᵀ
        dq, dk, dv                            of attention, for do
        dWq = xᵀ dq   dWk = mᵀ dk   dWv = mᵀ dv     summed over batch and time, or source
        dx = dq Wqᵀ
        dm = dk Wkᵀ + dv Wvᵀ                  m has two uses, as key and as value

    What is padding in m is looked at by nobody; where x is padding y = 0. Neither what padding
    holds nor a gradient given there has any effect.

    Source      Vaswani et al., Attention is all you need (2017), section 3.2.3, "encoder-decoder
                attention".
    """

    equation = "y = attention(x Wq, m Wk, m Wv) Wo"
    axes = {
        "x": ("batch", "time", "width"),
        "m": ("batch", "source", "width"),
        "Wq": ("width", "heads d"),
        "Wk": ("width", "kv_heads d"),
        "Wv": ("width", "kv_heads d"),
        "Wo": ("heads d", "width"),
        "y": ("batch", "time", "width"),
    }
    setting_names = ("heads", "kv_heads")

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        x: Array,
        m: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Crossed]:
        self.check(x=x, m=m)
        x, m, real, source = self.real_parts(x, m, mask, memory_mask)
        q = split_heads(x @ self.Wq, self.heads)
        k = split_heads(m @ self.Wk, self.kv_heads)
        v = split_heads(m @ self.Wv, self.kv_heads)
        o, attended = self.attention.forward(q, k, v, source[:, None])
        o = join_heads(o)
        y = np.where(real[..., None], o @ self.Wo, 0)
        return y, Crossed(x, m, real, attended, o)

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dy: Array, cache: Crossed
    ) -> tuple[Array, Array, Gradients]:
        x, m, real, attended, o = cache
        self.check(x=x, dy=dy)
        dy = np.where(real[..., None], dy, 0)
        dWo = gradient_of_weights(o, dy)
        do = split_heads(dy @ self.Wo.T, self.heads)
        dq, dk, dv, _ = self.attention.backward(do, attended)
        dq, dk, dv = join_heads(dq), join_heads(dk), join_heads(dv)
        dWq = gradient_of_weights(x, dq)
        dWk, dWv = gradient_of_weights(m, dk), gradient_of_weights(m, dv)
        dx = dq @ self.Wq.T
        dm = dk @ self.Wk.T + dv @ self.Wv.T
        return dx, dm, {"Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": dWo}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: the second source ends with padding."""
    return {
        "self": CrossAttention(6, 2, kv_heads=1).initialize(rng),
        "x": rng.standard_normal((2, 3, 6)),
        "m": rng.standard_normal((2, 4, 6)),
        "memory_mask": np.array([[1, 1, 1, 1], [1, 1, 0, 0]]),
    }
