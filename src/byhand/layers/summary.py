"""A whole sentence in one vector."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.memory import MemoryLayer


class Summed(NamedTuple):
    """What a summary leaves behind."""

    x: Array
    m: Array
    real: Array
    """Which steps of x are no padding, [batch, time]."""
    last: Array
    """The last real step of each source, [batch]."""
    source: Array
    """Which steps of m are no padding, [batch, source]."""


class Summary(MemoryLayer):
    """c[t] = m[last]: every step of x is told the same of the memory m, what the encoder says at
    its last word, when it has read them all.

    Shapes      x[batch, time, in]   m[batch, source, annotation]   c[batch, time, annotation]
                mask[batch, time] of x and memory_mask[batch, source] of m, 0 in padding

    bidirectional   m is of an encoder in both directions, side by side: then the last word of the
                    first half, and of the second, which reads from the end, the first word

    This is all that a decoder without attention knows of the source, however long that is.

    Derivatives     dm[last] = Σₜ dc[t]     dx = 0, for x says only how many steps there are

    Source      Cho et al., Learning phrase representations using RNN encoder–decoder (2014),
                section 2.2, where c is an input of every step of the decoder.
    """

    equation = "c[t] = m[last]"
    axes = {
        "x": ("batch", "time", "in"),
        "m": ("batch", "source", "annotation"),
        "c": ("batch", "time", "annotation"),
    }
    setting_names = ("bidirectional",)

    def __init__(
        self, annotation: int, *, bidirectional: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        if annotation < 1 or (bidirectional and annotation % 2):
            raise InputError(
                f"{self}: annotation is at least 1, and even where bidirectional, found "
                f"annotation = {annotation}"
            )
        self.sizes = {"annotation": annotation}
        self.bidirectional = bidirectional

    def forward(  # type: ignore[override]  # a memory beside the input
        self,
        x: Array,
        m: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[Array, Summed]:
        self.check(x=x, m=m)
        _, m, real, source = self.real_parts(x, m, mask, memory_mask)
        steps = np.arange(source.shape[1])
        last = np.where(source, steps, 0).max(axis=1, initial=0)
        c = m[np.arange(len(m)), last]
        if self.bidirectional:
            half = c.shape[1] // 2
            first = m[np.arange(len(m)), source.argmax(axis=1)]
            c = np.concatenate((c[:, :half], first[:, half:]), axis=1)
        return np.where(real[..., None], c[:, None], 0), Summed(x, m, real, last, source)

    def backward(  # type: ignore[override]  # two inputs have two gradients
        self, dc: Array, cache: Summed
    ) -> tuple[Array, Array, Gradients]:
        x, m, real, last, source = cache
        self.check(m=m, dc=dc)
        total = np.where(real[..., None], dc, 0).sum(axis=1)
        dm, rows = np.zeros_like(m), np.arange(len(m))
        if self.bidirectional:
            half = total.shape[1] // 2
            dm[rows, last, :half] = total[:, :half]
            dm[rows, source.argmax(axis=1), half:] = total[:, half:]
        else:
            dm[rows, last] = total
        dm = np.where(source[..., None], dm, 0)
        return np.zeros_like(x), dm, {}

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.sizes["annotation"])


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: the second source ends with padding."""
    return {
        "self": Summary(4, bidirectional=True),
        "x": rng.standard_normal((2, 3, 2)),
        "m": rng.standard_normal((2, 4, 4)),
        "memory_mask": np.array([[1, 1, 1, 1], [1, 1, 0, 0]]),
    }
