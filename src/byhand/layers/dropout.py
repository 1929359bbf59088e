"""Inverted dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Layer, Shape


class Dropout(Layer):
    """y = x ⊙ m, where each m is 0 with probability `rate` and 1/(1 − rate) otherwise.

    Shapes      x[...]   m[...]   y[...]
    Derivative  m does not depend on x, so

        dx = dy ⊙ m

                with the very mask of the forward pass. Dividing by 1 − rate in training keeps the
                expected value of y at x, so evaluation, which passes no mask, needs no correction.
    Source      Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting
                (2014), section 10, the "inverted" form.
    """

    equation = "y = x m"
    axes = {"x": ("...",), "m": ("...",), "y": ("...",)}
    setting_names = ("rate",)

    def __init__(self, rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not 0 <= rate < 1:
            raise InputError(f"{self}: rate is the share dropped, 0 <= rate < 1, found {rate}")
        self.rate = rate

    def forward(self, x: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        """Without a mask the layer is in evaluation: y = x."""
        if mask is None:
            self.check(x=x)
            return x, None
        self.check(x=x, m=mask)
        return x * mask, mask

    def backward(self, dy: Array, mask: Array | None) -> tuple[Array, Gradients]:
        if mask is None:
            self.check(dy=dy)
            return dy, {}
        self.check(m=mask, dy=dy)
        return dy * mask, {}

    def draw_mask(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Array:
        """A mask m of the given shape. The draw is the same for float32 and float64."""
        kept: Array = (rng.random(shape) >= self.rate).astype(dtype)
        kept /= 1 - self.rate
        return kept


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer, x = Dropout(0.4), rng.standard_normal((5, 4))
    return {"self": layer, "x": x, "mask": layer.draw_mask(x.shape, rng, x.dtype)}
