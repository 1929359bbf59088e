import numpy as np


class Linear:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad_out):
        self.grad_W = self.x.T @ grad_out
        self.grad_b = grad_out.sum(axis=0)
        return grad_out @ self.W.T


class Sigmoid:
    def forward(self, z):
        self.out = 1 / (1 + np.exp(-z))
        return self.out

    def backward(self, grad_out):
        return grad_out * self.out * (1 - self.out)


class Network:
    def __init__(self, W1, b1, W2, b2):
        self.fc1 = Linear(W1, b1)
        self.act = Sigmoid()
        self.fc2 = Linear(W2, b2)

    def loss(self, x, t):
        self.y = self.fc2.forward(self.act.forward(self.fc1.forward(x)))
        self.t = t
        return ((self.y - t) ** 2).sum(axis=1).mean()

    def backward(self):
        grad = 2 * (self.y - self.t) / self.y.shape[0]
        grad = self.fc2.backward(grad)
        grad = self.act.backward(grad)
        grad = self.fc1.backward(grad)
        return grad


def example(rng):
    return {
        "init": {
            "W1": rng.normal(size=(3, 5)), "b1": rng.normal(size=5),
            "W2": rng.normal(size=(5, 2)), "b2": rng.normal(size=2),
        },
        "forward": {"x": rng.normal(size=(4, 3)), "t": rng.normal(size=(4, 2))},
    }
