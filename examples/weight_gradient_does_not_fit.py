"""A regressor built from layer objects, with the weights stored as (out, in)."""

import numpy as np


class Linear:
    def __init__(self, weight, bias):
        self.weight = weight  # (out, in)
        self.bias = bias  # (out,)

    def forward(self, x):
        self.x = x  # (batch, in)
        return x @ self.weight.T + self.bias

    def backward(self, grad_out):
        self.grad_weight = grad_out @ self.x
        self.grad_bias = grad_out.sum(axis=0)
        return grad_out @ self.weight


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad_out):
        return grad_out * self.mask


class Regressor:
    def __init__(self, w_hidden, b_hidden, w_out, b_out):
        self.hidden = Linear(w_hidden, b_hidden)
        self.relu = ReLU()
        self.out = Linear(w_out, b_out)

    def loss(self, x, y):
        h = self.relu.forward(self.hidden.forward(x))
        self.residual = self.out.forward(h) - y
        return np.mean(self.residual**2)

    def backward(self):
        grad = 2 * self.residual / self.residual.size
        grad = self.relu.backward(self.out.backward(grad))
        return self.hidden.backward(grad)


def example(rng):
    return {
        "init": {
            "w_hidden": rng.normal(size=(6, 3)),
            "b_hidden": rng.normal(size=6),
            "w_out": rng.normal(size=(2, 6)),
            "b_out": rng.normal(size=2),
        },
        "forward": {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=(5, 2))},
    }
