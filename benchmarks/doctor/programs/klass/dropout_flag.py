import numpy as np


class Net:
    def __init__(self, w, v, keep):
        self.w, self.v, self.keep = w, v, keep

    def forward(self, x, training=False):
        self.x = x
        self.h = np.tanh(x @ self.w)
        self.mask = np.ones_like(self.h)
        if training:
            self.mask = (np.random.random_sample(self.h.shape) < self.keep) / self.keep
        return (self.h * self.mask) @ self.v

    def backward(self, dy):
        self.dv = (self.h * self.mask).T @ dy
        dh = dy @ self.v.T * self.mask
        self.dw = self.x.T @ (dh * (1 - self.h**2))


def example(rng):
    return {
        "init": {"w": rng.normal(size=(3, 5)), "v": rng.normal(size=(5, 2)), "keep": 0.6},
        "forward": {"x": rng.normal(size=(4, 3)), "training": False},
    }
