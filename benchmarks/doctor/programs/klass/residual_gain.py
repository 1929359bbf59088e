import numpy as np


class ResidualBlock:
    """y = x + gain * tanh(x W)"""

    def __init__(self, width, gain=1.0):
        self.W = np.random.default_rng(5).normal(size=(width, width)) / width**0.5
        self.gain = gain

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        return x + self.gain * self.h

    def backward(self, dy):
        dh = self.gain * dy
        dpre = dh * (1 - self.h**2)
        self.dW = self.x.T @ dpre
        return dy + dpre @ self.W.T


def example(rng):
    return {"init": {"width": 3, "gain": 1.0}, "forward": {"x": rng.normal(size=(4, 3))}}
