import numpy as np


def sig(v):
    return 0.5 * (1 + np.tanh(0.5 * v))


class Highway:
    """y = T * H + (1 - T) * x, columns are examples"""

    def __init__(self, Wh, bh, Wt, bt):
        self.Wh, self.bh = Wh, bh
        self.Wt, self.bt = Wt, bt
        self.grads = {}

    def forward(self, x):
        H = np.tanh(self.Wh @ x + self.bh)
        T = sig(self.Wt @ x + self.bt)
        y = T * H + (1 - T) * x
        self.memory = x, H, T
        return y

    def backward(self, gy):
        x, H, T = self.memory
        gH = gy * T
        gT = gy * (H - x)
        gh_pre = gH * (1 - H ** 2)
        gt_pre = gT * T * (1 - T)
        self.grads["Wh"] = gh_pre @ x.T
        self.grads["Wt"] = gt_pre @ x.T
        self.grads["bh"] = gh_pre.sum(axis=1, keepdims=True)
        self.grads["bt"] = gt_pre.sum(axis=1, keepdims=True)
        gx = gy * (1 - T)
        gx += self.Wh.T @ gh_pre
        gx += self.Wt.T @ gt_pre
        return gx


def example(rng):
    n, m = 4, 6
    return {
        "init": {
            "Wh": rng.normal(size=(n, n)), "bh": rng.normal(size=(n, 1)),
            "Wt": rng.normal(size=(n, n)), "bt": rng.normal(size=(n, 1)),
        },
        "forward": {"x": rng.normal(size=(n, m))},
    }
