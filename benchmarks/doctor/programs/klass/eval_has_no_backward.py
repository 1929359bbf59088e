import numpy as np


class Norm:
    def __init__(self, width):
        self.gamma, self.beta = np.ones(width), np.zeros(width)
        self.running = np.zeros(width)

    def forward(self, x, train=True):
        self.mu = x.mean(axis=0) if train else self.running
        self.xhat = x - self.mu
        if train:
            self.running = 0.9 * self.running + 0.1 * self.mu
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        d = dy * self.gamma
        return d - d.mean(axis=0)


def example(rng):
    return {"init": {"width": 3}, "forward": {"x": rng.normal(size=(5, 3)), "train": True}}
