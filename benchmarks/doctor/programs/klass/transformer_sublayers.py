"""x + MLP(norm(x)): sublayers with their own backward, gradients in a dictionary by path."""
import numpy as np


class Norm:
    def __init__(self, gain, shift):
        self.p = {"gain": gain, "shift": shift}

    def __call__(self, x):
        mean = x.mean(-1, keepdims=True)
        self.rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        self.xhat = (x - mean) * self.rstd
        return self.xhat * self.p["gain"] + self.p["shift"]

    def backward(self, dy):
        self.g = {"gain": (dy * self.xhat).sum((0, 1)), "shift": dy.sum((0, 1))}
        dxhat = dy * self.p["gain"]
        mean = dxhat.mean(-1, keepdims=True)
        proj = (dxhat * self.xhat).mean(-1, keepdims=True)
        return self.rstd * (dxhat - mean - self.xhat * proj)


class Linear:
    def __init__(self, w, b):
        self.p = {"w": w, "b": b}

    def __call__(self, x):
        self.x = x
        return x @ self.p["w"] + self.p["b"]

    def backward(self, dy):
        flat_x, flat_dy = self.x.reshape(-1, self.x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        self.g = {"w": flat_x.T @ flat_dy, "b": flat_dy.sum(0)}
        return dy @ self.p["w"].T


class SiLU:
    p = {}

    def __call__(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, dy):
        self.g = {}
        return dy * self.s * (1 + self.x * (1 - self.s))


class Block:
    def __init__(self, gain, shift, w1, b1, w2, b2):
        self.layers = [Norm(gain, shift), Linear(w1, b1), SiLU(), Linear(w2, b2)]

    def forward(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        return x + y

    def backward(self, dout):
        d = dout
        for layer in self.layers[::-1]:
            d = layer.backward(d)
        self.grads = {(k, name): g for k, layer in enumerate(self.layers) for name, g in layer.g.items()}
        return dout + d


def example(rng):
    n, h = 4, 6
    return {
        "init": {"gain": rng.normal(size=n), "shift": rng.normal(size=n), "w1": rng.normal(size=(n, h)),
                 "b1": rng.normal(size=h), "w2": rng.normal(size=(h, n)), "b2": rng.normal(size=n)},
        "forward": {"x": rng.normal(size=(2, 3, n))},
    }
