import numpy as np


class TwoLayers:
    def __init__(self, n_in, n_hidden, n_out):
        draw = np.random.default_rng(3)
        self.A = 0.1 * draw.normal(size=(n_hidden, n_in))
        self.a = np.ones(n_hidden)
        self.B = 0.1 * draw.normal(size=(n_out, n_hidden))
        self.b = np.ones(n_out)

    def forward(self, x, y):
        self.x = x
        self.pre = x @ self.A.T + self.a
        self.act = self.pre * (self.pre > 0)
        self.res = self.act @ self.B.T + self.b - y
        return 0.5 * np.mean(np.sum(self.res**2, axis=1))

    def backward(self):
        delta = self.res / len(self.x)
        self.grad_B = delta.T @ self.act
        self.grad_b = delta.sum(0)
        delta = delta @ self.B
        delta[self.pre <= 0] = 0
        self.grad_A = delta.T @ self.x
        self.grad_a = delta.sum(0)


def example(rng):
    return {
        "init": {"n_in": 3, "n_hidden": 4, "n_out": 2},
        "forward": {"x": 0.1 * rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 2))},
    }
