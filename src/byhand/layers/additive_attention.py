"""Attention as it was first: how well two vectors fit is what a small network says of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.masks import masked_softmax
from byhand.layers.memory import MemoryLayer
from byhand.randomness import stream


class Aligned(NamedTuple):
    """What additive attention leaves behind. h has zeros in the padding."""

    s: Array
    h: Array
    t: Array
    p: Array
    """How much each query looks at each step of h, [batch, queries, time]: the alignment."""


class AdditiveAttention(MemoryLayer):
    """c = softmax(vᵀ tanh(s W + h U)) h: the mean of the annotations h, weighted by what a network
    of one hidden layer says of each with the query s.

    Shapes      s[batch, queries, query]   h[batch, time, annotation]   W[query, hidden]
                U[annotation, hidden]   v[hidden]   c[batch, queries, annotation]
                mask[batch, queries] of s and memory_mask[batch, time] of h, 0 in padding

    In a translation s are the states of the decoder, h what the encoder said of the source's words.

        t[i, j] = tanh(s[i] W + h[j] U)           a query and a step, added in the hidden layer
        e[i, j] = t[i, j] · v                     how well they fit
        p[i, j] = e^e[i, j] / Σₗ e^e[i, l]        the alignment; over real steps, 0 in padding
        c[i]    = Σⱼ p[i, j] h[j]                 the context

    Derivatives, given dc = ∂L/∂c. Through the mean and the softmax (derived at
    ScaledDotProductAttention), where padding has p = 0 and so gets nothing:

        dp[i, j] = dc[i] · h[j]
        de = p ⊙ (dp − Σ_time dp ⊙ p)
        dv = Σ_batch,ij de[i, j] t[i, j]          dt[i, j] = de[i, j] v
        da = dt ⊙ (1 − t²)                        the sum a within the tanh, tanh′ = 1 − tanh²

    s[i] W is in the sum of every step j, h[j] U in that of every query i, so the other index is
    summed over. h has two uses, in e and in the mean:

        dW = Σ_batch,i s[i]ᵀ Σⱼ da[i, j]          ds[i] = Σⱼ da[i, j] Wᵀ
        dU = Σ_batch,j h[j]ᵀ Σᵢ da[i, j]          dh[j] = Σᵢ da[i, j] Uᵀ + Σᵢ p[i, j] dc[i]

    Source      Bahdanau, Cho, Bengio, Neural machine translation by jointly learning to align and
                translate (2014), eqs. 5 and 6, and appendix A.1.2 for e, where s is s_(i−1).
    """

    equation = "c = softmax(vᵀ tanh(s W + h U)) h"
    axes = {
        "s": ("batch", "queries", "query"),
        "h": ("batch", "time", "annotation"),
        "W": ("query", "hidden"),
        "U": ("annotation", "hidden"),
        "v": ("hidden",),
        "c": ("batch", "queries", "annotation"),
    }
    parameter_names = ("W", "U", "v")
    weights = ("W", "U", "v")

    W: Array
    U: Array
    v: Array

    def __init__(
        self,
        query: int,
        annotation: int,
        hidden: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(name=name)
        self.sizes = {"query": query, "annotation": annotation, "hidden": hidden}
        if min(self.sizes.values()) < 1:
            found = ", ".join(f"{axis} = {size}" for axis, size in self.sizes.items())
            raise InputError(f"{self}: sizes are at least 1, found {found}")
        self.weight_initializer = weights

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        s: Array,
        h: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Aligned]:
        self.check(s=s, h=h)
        s, h, real, source = self.real_parts(s, h, mask, memory_mask)
        t = np.tanh((s @ self.W)[:, :, None] + (h @ self.U)[:, None])
        e = t @ self.v
        p = masked_softmax(e, real[..., None] & source[:, None])
        c = p @ h
        return c, Aligned(s, h, t, p)

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dc: Array, cache: Aligned
    ) -> tuple[Array, Array, Gradients]:
        s, h, t, p = cache
        self.check(s=s, h=h, dc=dc)
        dp = dc @ h.swapaxes(1, 2)
        de = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        dv = (de[..., None] * t).sum(axis=(0, 1, 2))
        da = de[..., None] * self.v * (1 - t * t)
        da_s, da_h = da.sum(axis=2), da.sum(axis=1)
        dW = (s.swapaxes(1, 2) @ da_s).sum(axis=0)
        dU = (h.swapaxes(1, 2) @ da_h).sum(axis=0)
        ds = da_s @ self.W.T
        dh = da_h @ self.U.T + p.swapaxes(1, 2) @ dc
        return ds, dh, {"W": dW, "U": dU, "v": dv}

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.sizes["annotation"])

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> AdditiveAttention:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        query, annotation, hidden = self.sizes.values()
        draw = self.weight_initializer.draw
        self.W = draw(rng, (query, hidden), query, hidden, dtype)
        self.U = draw(rng, (annotation, hidden), annotation, hidden, dtype)
        self.v = draw(rng, (hidden,), hidden, 1, dtype)
        return self


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: the second sequence ends with padding."""
    return {
        "self": AdditiveAttention(2, 3, 5).initialize(rng),
        "s": rng.standard_normal((2, 3, 2)),
        "h": rng.standard_normal((2, 4, 3)),
        "memory_mask": np.array([[1, 1, 1, 1], [1, 1, 0, 0]]),
    }
