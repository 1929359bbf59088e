"""Average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Shape
from byhand.layers.pooling import Pooling
from byhand.layers.windows import check_gradient, image_size


class AveragePool2D(Pooling):
    """y = mean over each window of x: how much of the feature is here?

    Shapes      x[batch, channels, height, width]   y[batch, channels, rows, columns]

        y[n, c, p, q] = 1/(kh kw) Σ_ij x̂[n, c, s p + i, s q + j]

    with the stride s, by default the kernel's size, and x̂ for x in a border of zeros as wide as the
    padding. The zeros count: the divisor is kh kw at the border, too.

    Derivative  every pixel of a window has the factor 1/(kh kw) in y, so

        dx[n, c, u, v] = 1/(kh kw) Σ_pq dy[n, c, p, q] [(u, v) lies in window (p, q)]

                It is a convolution of each channel by itself with a kernel of which all weights are
                1/(kh kw), and has that derivative.
    Source      LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document
                recognition (1998), section II.A.
    """

    equation = "y = mean over windows of x"

    def forward(self, x: Array) -> tuple[Array, Shape]:
        self.check(x=x)
        self.output_shape(x.shape[1:])
        y = self.windows.cut(x).mean(axis=(2, 3))
        return y, x.shape

    def backward(self, dy: Array, shape: Shape) -> tuple[Array, Gradients]:
        check_gradient(self, "dy", dy, (shape[0], *self.output_shape(shape[1:])))
        kh, kw = self.windows.kernel
        share = dy[:, :, None, None] / (kh * kw)
        dwindows = np.broadcast_to(share, (*dy.shape[:2], kh, kw, *dy.shape[2:]))
        dx = self.windows.add_back(dwindows, image_size(self, shape[1:]))
        return dx, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": AveragePool2D(3, stride=2, padding=1), "x": rng.standard_normal((2, 3, 5, 6))}
