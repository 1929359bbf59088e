"""Layers that look at a second sequence: what an encoder says of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.layers.base import Array, Gradients, Layer
from byhand.layers.masks import real_or_all


class Memory(NamedTuple):
    """What an encoder says of a sequence."""

    m: Array
    """One vector for each of its steps, [batch, source, annotation]."""
    real: Array
    """Which of them are no padding, [batch, source]."""


class MemoryLayer(Layer):
    """y = f(x, m): every step of x[batch, time, ...] looks at the memory m[batch, source, ...].

    forward(x, m, mask, memory_mask) -> (y, cache)     masks are 0 in padding, of x and of m
    backward(dy, cache) -> (dx, dm, gradients)

    The first two arguments may have other symbols, those of the layer's equation. Padding in m is
    looked at by nobody, and padding in x looks at nothing and has y = 0.
    """

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        x: Array,
        m: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Any]:
        raise NotImplementedError

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dy: Array, cache: Any
    ) -> tuple[Array, Array, Gradients]:
        raise NotImplementedError

    def real_parts(
        self, x: Array, m: Array, mask: Array | None, memory_mask: Array | None
    ) -> tuple[Array, Array, Array, Array]:
        """x and m with zeros in the padding, for 0 · NaN would be NaN; and which steps of both are
        real.

        Raises      ShapeError, InputError
        """
        symbol, memory = list(self.axes)[:2]
        real = real_or_all(self, mask, x, of=symbol)
        source = real_or_all(self, memory_mask, m, "memory_mask", memory)
        return np.where(real[..., None], x, 0), np.where(source[..., None], m, 0), real, source
