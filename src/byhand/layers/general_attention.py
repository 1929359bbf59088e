"""Attention whose score is the product of the two vectors, with a matrix between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.dot_attention import Compared, DotAttention
from byhand.layers.memory import MemoryLayer
from byhand.randomness import stream


class Asked(NamedTuple):
    """What general attention leaves behind. h has zeros in the padding."""

    s: Array
    q: Array
    h: Array
    p: Array
    """How much each query looks at each step of h, [batch, queries, time]: the alignment."""


class GeneralAttention(MemoryLayer):
    """c = softmax(s W hᵀ) h: as DotAttention, but W says which direction of the query belongs to
    which of the annotations, and their widths may differ.

    Shapes      s[batch, queries, query]   h[batch, time, annotation]   W[query, annotation]
                c[batch, queries, annotation]
                mask[batch, queries] of s and memory_mask[batch, time] of h, 0 in padding

        q = s W                                   what the query asks of the annotations
        c = softmax(q hᵀ) h                       DotAttention

    Derivatives, given dc = ∂L/∂c. Those of DotAttention, for q in the place of s, and then of the
    product:

        dq = de h                                 de as in DotAttention
        dh = deᵀ q + pᵀ dc
        dW = Σ_batch sᵀ dq                        ds = dq Wᵀ

    Source      Luong, Pham, Manning, Effective approaches to attention-based neural machine
                translation (2015), eqs. 7 and 8, "general".
    """

    equation = "c = softmax(s W hᵀ) h"
    axes = {
        "s": ("batch", "queries", "query"),
        "h": ("batch", "time", "annotation"),
        "W": ("query", "annotation"),
        "c": ("batch", "queries", "annotation"),
    }
    parameter_names = ("W",)
    weights = ("W",)

    W: Array

    def __init__(
        self,
        query: int,
        annotation: int,
        *,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
    ) -> None:
        super().__init__(name=name)
        if query < 1 or annotation < 1:
            raise InputError(
                f"{self}: sizes are at least 1, found query = {query}, annotation = {annotation}"
            )
        self.sizes = {"query": query, "annotation": annotation}
        self.weight_initializer = weights
        self.dot = DotAttention()

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        s: Array,
        h: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Asked]:
        self.check(s=s, h=h)
        s, h, real, source = self.real_parts(s, h, mask, memory_mask)
        c, (q, h, p) = self.dot.forward(s @ self.W, h, real, source)
        return c, Asked(s, q, h, p)

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dc: Array, cache: Asked
    ) -> tuple[Array, Array, Gradients]:
        s, q, h, p = cache
        self.check(s=s, h=h, dc=dc)
        dq, dh, _ = self.dot.backward(dc, Compared(q, h, p))
        dW = (s.swapaxes(1, 2) @ dq).sum(axis=0)
        ds = dq @ self.W.T
        return ds, dh, {"W": dW}

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.sizes["annotation"])

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> GeneralAttention:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        query, annotation = self.sizes["query"], self.sizes["annotation"]
        self.W = self.weight_initializer.draw(rng, (query, annotation), query, annotation, dtype)
        return self


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: the second sequence ends with padding."""
    return {
        "self": GeneralAttention(2, 3).initialize(rng),
        "s": rng.standard_normal((2, 4, 2)),
        "h": rng.standard_normal((2, 5, 3)),
        "memory_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
    }
