"""Any number of layers: everything in dictionaries keyed by the layer's number."""
import numpy as np


class Net:
    def __init__(self, sizes, act, seed=0):
        gen = np.random.RandomState(seed)
        self.L = len(sizes) - 1
        self.act = act
        self.theta = {}
        for i in range(1, self.L + 1):
            self.theta[f"W{i}"] = gen.randn(sizes[i], sizes[i - 1]) / np.sqrt(sizes[i - 1])
            self.theta[f"b{i}"] = gen.randn(sizes[i], 1) * 0.1

    def _f(self, z):
        if self.act == "relu":
            return np.maximum(z, 0)
        if self.act == "softplus":
            return np.logaddexp(0, z)
        return np.tanh(z)

    def _df(self, z, a):
        if self.act == "relu":
            return (z > 0).astype(float)
        if self.act == "softplus":
            return 1 / (1 + np.exp(-z))
        return 1 - a * a

    def cost(self, X, Y, l2):
        m = X.shape[1]
        self.cache = {"A0": X}
        for i in range(1, self.L + 1):
            Z = self.theta[f"W{i}"] @ self.cache[f"A{i-1}"] + self.theta[f"b{i}"]
            self.cache[f"Z{i}"] = Z
            self.cache[f"A{i}"] = self._f(Z) if i < self.L else Z
        out = self.cache[f"A{self.L}"]
        out = out - out.max(axis=0)
        self.P = np.exp(out) / np.exp(out).sum(axis=0)
        self.Y, self.l2 = Y, l2
        penalty = sum((self.theta[f"W{i}"] ** 2).sum() for i in range(1, self.L + 1))
        return -(Y * np.log(self.P)).sum() / m + l2 / 2 * penalty

    def gradients(self):
        g = {}
        m = self.Y.shape[1]
        delta = (self.P - self.Y) / m
        for i in range(self.L, 0, -1):
            g[f"W{i}"] = delta @ self.cache[f"A{i-1}"].T + self.l2 * self.theta[f"W{i}"]
            g[f"b{i}"] = delta.sum(axis=1, keepdims=True)
            if i > 1:
                delta = self.theta[f"W{i}"].T @ delta
                delta = delta * self._df(self.cache[f"Z{i-1}"], self.cache[f"A{i-1}"])
        return g


def example(rng):
    Y = np.eye(3)[:, rng.integers(0, 3, size=6)]
    return {"init": {"sizes": [4, 5, 2, 3], "act": "softplus"}, "forward": {"X": rng.normal(size=(4, 6)), "Y": Y, "l2": 0.3}}
