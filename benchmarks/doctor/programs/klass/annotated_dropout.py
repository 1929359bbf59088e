from __future__ import annotations

import numpy as np


class DropoutTanh:
    """Affine, tanh, then inverted dropout with a mask that is drawn once from a seed."""

    def __init__(self, W: Float[Array, "in out"], b: Float[Array, "out"], keep: float = 0.75):
        self.W = W
        self.b = b
        self.keep = keep

    def forward(self, x: Float[Array, "batch in"]):
        h = np.tanh(x @ self.W + self.b)
        self.mask = np.random.default_rng(5).random(h.shape) < self.keep
        self.saved = (x, h)
        return h * self.mask / self.keep

    def backward(self, dout: Float[Array, "batch out"]):
        x, h = self.saved
        dh = dout * self.mask / self.keep
        da = dh - dh * h * h
        self.dW = x.T @ da
        self.db = np.einsum("no->o", da)
        return da @ self.W.T
