"""The mean of each channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.windows import IMAGES, check_gradient, image_size


class GlobalAveragePool2D(Layer):
    """y = mean of x over height and width: one number per channel, for images of any size.

    Shapes      x[batch, channels, height, width]   y[batch, channels]
    Derivative  every pixel has the factor 1/(height width) in its channel's mean, so

        dx[n, c, u, v] = dy[n, c] / (height width)

    Source      Lin, Chen, Yan, Network in network (2014), section 3.2.
    """

    equation = "y = mean of x over height and width"
    axes = {"x": IMAGES, "y": ("batch", "channels")}

    def forward(self, x: Array) -> tuple[Array, Shape]:
        self.check(x=x)
        return x.mean(axis=(2, 3)), x.shape

    def backward(self, dy: Array, shape: Shape) -> tuple[Array, Gradients]:
        check_gradient(self, "dy", dy, shape[:2])
        _, _, height, width = shape
        dx = np.broadcast_to(dy[:, :, None, None] / (height * width), shape).copy()
        return dx, {}

    def output_shape(self, input_shape: Shape) -> Shape:
        image_size(self, input_shape)
        return input_shape[:1]


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": GlobalAveragePool2D(), "x": rng.standard_normal((3, 2, 4, 5))}
