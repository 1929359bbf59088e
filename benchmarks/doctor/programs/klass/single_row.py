import numpy as np


class Layer:
    def __init__(self, fan_in, fan_out):
        r = np.random.RandomState(2)
        self.W = r.randn(fan_in, fan_out)
        self.b = np.zeros((1, fan_out))

    def forward(self, x, t):
        self.x, self.t = x, t
        self.y = np.tanh(x @ self.W + self.b)
        return np.sum((self.y - t) ** 2) / len(x)

    def backward(self):
        dz = 2 * (self.y - self.t) / len(self.x) * (1 - self.y**2)
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=0, keepdims=True)


def example(rng):
    return {
        "init": {"fan_in": 3, "fan_out": 2},
        "forward": {"x": rng.normal(size=(1, 3)), "t": rng.normal(size=(1, 2))},
    }
