"""A network with one hidden layer that takes a step of gradient descent on its way back."""

import numpy as np


class Network:
    def __init__(self, W1, W2, lr=0.1):
        self.W1 = W1
        self.W2 = W2
        self.lr = lr

    def forward(self, x, t):
        self.x, self.t = x, t
        self.h = np.tanh(x @ self.W1)
        self.y = self.h @ self.W2
        return np.sum((self.y - t) ** 2) / (2 * len(x))

    def backward(self):
        dy = (self.y - self.t) / len(self.x)
        self.dW2 = self.h.T @ dy
        self.W2 -= self.lr * self.dW2
        dz = dy @ self.W2.T * (1 - self.h**2)
        self.dW1 = self.x.T @ dz
        self.W1 -= self.lr * self.dW1


def example(rng):
    return {
        "init": {"W1": rng.normal(size=(3, 5)), "W2": rng.normal(size=(5, 2))},
        "forward": {"x": rng.normal(size=(6, 3)), "t": rng.normal(size=(6, 2))},
    }
