"""Max pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.pooling import Pooling
from byhand.layers.windows import check_gradient, image_size


class MaxPool2D(Pooling):
    """y = max over each window of x: is the feature anywhere here?

    Shapes      x[batch, channels, height, width]   y[batch, channels, rows, columns]

        y[n, c, p, q] = max_ij x̂[n, c, s p + i, s q + j]

    with the stride s, by default the kernel's size, and x̂ for x in a border of −∞, which is never
    the maximum, as wide as the padding.

    Derivative  y is a copy of one pixel of the window. A small change of any other pixel changes
                nothing, so all of dy goes to that one. Which one it was, (i, j), is the window's
                *switch*, found in the forward pass:

        dx[n, c, u, v] = Σ_pq dy[n, c, p, q] [the switch of (p, q) is at (u, v)]

                A sum, because windows that overlap can have switched to the same pixel. Where
                several pixels are largest the derivative does not exist; the first of them, row by
                row, is given all of dy, as in PyTorch. Sharing it out would be another of the
                sub-gradients, and giving dy to each of them is none.
    Source      Zhou, Chellappa, Computation of optical flow using a neural network (1988), for the
                pooling; Zeiler, Fergus, arXiv 1311.2901, section 2.1, for the name of switches.
    """

    equation = "y = max over windows of x"

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Shape]]:
        self.check(x=x)
        self.output_shape(x.shape[1:])
        windows, kw = self.windows.cut(x, border=-np.inf), self.windows.kernel[1]
        y = windows[..., 0, 0, :, :]
        switches = np.zeros(y.shape, np.intp)
        for k in range(1, math.prod(self.windows.kernel)):
            pixel = windows[..., k // kw, k % kw, :, :]
            larger = (pixel > y) | np.isnan(pixel)
            y = np.where(larger, pixel, y)
            switches = np.where(larger, k, switches)
        return y, (switches, x.shape)

    def backward(self, dy: Array, cache: tuple[Array, Shape]) -> tuple[Array, Gradients]:
        switches, shape = cache
        check_gradient(self, "dy", dy, switches.shape)
        kh, kw = self.windows.kernel
        places = np.arange(kh * kw).reshape(kh, kw, 1, 1)
        on = switches[:, :, None, None] == places
        dwindows = np.where(on, dy[:, :, None, None], dy.dtype.type(0))
        dx = self.windows.add_back(dwindows, image_size(self, shape[1:]))
        return dx, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": MaxPool2D(3, stride=2, padding=1), "x": rng.standard_normal((2, 3, 5, 6))}
