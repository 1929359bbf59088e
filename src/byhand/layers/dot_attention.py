"""Attention whose score is the product of the two vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.layers.base import Array, Gradients
from byhand.layers.masks import masked_softmax
from byhand.layers.memory import MemoryLayer


class Compared(NamedTuple):
    """What dot attention leaves behind. h has zeros in the padding."""

    s: Array
    h: Array
    p: Array
    """How much each query looks at each step of h, [batch, queries, time]: the alignment."""


class DotAttention(MemoryLayer):
    """c = softmax(s hᵀ) h: the mean of the annotations h, weighted by how far each points in the
    direction of the query s.

    Shapes      s[batch, queries, annotation]   h[batch, time, annotation]
                c[batch, queries, annotation]
                mask[batch, queries] of s and memory_mask[batch, time] of h, 0 in padding

        e[i, j] = s[i] · h[j]                     how well query i and step j fit
        p[i, j] = e^e[i, j] / Σₗ e^e[i, l]        the alignment; over real steps, 0 in padding
        c[i]    = Σⱼ p[i, j] h[j]                 the context

    It is ScaledDotProductAttention of one head in which h is key and value, without 1/√d.

    Derivatives, given dc = ∂L/∂c. Through the mean and the softmax (derived at
    ScaledDotProductAttention), where padding has p = 0 and so gets nothing:

        dp = dc hᵀ                                dp[i, j] = dc[i] · h[j]
        de = p ⊙ (dp − Σ_time dp ⊙ p)
        ds = de h                                 ds[i] = Σⱼ de[i, j] h[j]
        dh = deᵀ s + pᵀ dc                        h has two uses, in e and in the mean

    Source      Luong, Pham, Manning, Effective approaches to attention-based neural machine
                translation (2015), eqs. 7 and 8, "dot".
    """

    equation = "c = softmax(s hᵀ) h"
    axes = {
        "s": ("batch", "queries", "annotation"),
        "h": ("batch", "time", "annotation"),
        "c": ("batch", "queries", "annotation"),
    }

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        s: Array,
        h: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Compared]:
        self.check(s=s, h=h)
        s, h, real, source = self.real_parts(s, h, mask, memory_mask)
        p = masked_softmax(s @ h.swapaxes(1, 2), real[..., None] & source[:, None])
        c = p @ h
        return c, Compared(s, h, p)

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dc: Array, cache: Compared
    ) -> tuple[Array, Array, Gradients]:
        s, h, p = cache
        self.check(s=s, h=h, dc=dc)
        dp = dc @ h.swapaxes(1, 2)
        de = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        ds = de @ h
        dh = de.swapaxes(1, 2) @ s + p.swapaxes(1, 2) @ dc
        return ds, dh, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: the second sequence ends with padding."""
    return {
        "self": DotAttention(),
        "s": rng.standard_normal((2, 4, 3)),
        "h": rng.standard_normal((2, 5, 3)),
        "memory_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
    }
