"""What is left when a sequence has been read."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape


class LastStep(Layer):
    """y = h_time: of the outputs of all steps, the last.

    Shapes      h[batch, time, hidden]   y[batch, hidden]
    Derivative  the steps before are not used, and the last is used as it is:

        dh[n, t] = dy[n] for t = time, and 0 before

                What the earlier steps have to answer for comes to them through the state, in the
                recurrent layer below.
    Source      Sutskever, Vinyals, Le, Sequence to sequence learning with neural networks (2014):
                a sequence as one vector, the last state.
    """

    equation = "y = h_time"
    axes = {"h": ("batch", "time", "hidden"), "y": ("batch", "hidden")}

    def forward(self, h: Array) -> tuple[Array, Shape]:
        self.check(h=h)
        if h.shape[1] == 0:
            raise ShapeError(
                f"{self}: h has time = 0, expected at least one step ({self.equation})"
            )
        return h[:, -1].copy(), h.shape

    def backward(self, dy: Array, shape: Shape) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        if dy.shape != (shape[0], shape[2]):
            raise ShapeError(f"{self}: dy has shape {dy.shape}, h has shape {shape}")
        dh = np.zeros(shape, dy.dtype)
        dh[:, -1] = dy
        return dh, {}

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ShapeError(
                f"{self}: an example of h has shape {input_shape}, expected (time, hidden) "
                f"({self.equation})"
            )
        return input_shape[1:]


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": LastStep(), "h": rng.standard_normal((2, 4, 3))}
