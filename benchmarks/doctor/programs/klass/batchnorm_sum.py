import numpy as np


class BatchNorm1d:
    """Training-time batch norm; the test below simply adds up the outputs."""

    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma = gamma
        self.beta = beta
        self.eps = eps

    def forward(self, x):
        self.mean = x.mean(0)
        self.centered = x - self.mean
        self.std = np.sqrt((self.centered ** 2).mean(0) + self.eps)
        self.norm = self.centered / self.std
        return self.gamma * self.norm + self.beta

    def loss(self, x):
        return self.forward(x).sum()

    def backward(self, grad=None):
        m = len(self.norm)
        if grad is None:
            grad = np.ones_like(self.norm)
        self.grad_gamma = (grad * self.norm).sum(0)
        self.grad_beta = grad.sum(0)
        gn = grad * self.gamma
        gstd = -(gn * self.centered).sum(0) / self.std ** 2
        gc = gn / self.std + gstd * self.centered / (m * self.std)
        return gc - gc.mean(0)


def example(rng):
    return {
        "init": {"gamma": rng.normal(size=3), "beta": rng.normal(size=3)},
        "forward": {"x": rng.normal(size=(5, 3))},
    }
