import numpy as np


class Stack:
    def __init__(self, sizes):
        rng = np.random.default_rng(4)
        self.params = []
        for a, b in zip(sizes, sizes[1:]):
            self.params += [rng.normal(size=(a, b)), rng.normal(size=b)]

    def forward(self, x):
        self.seen = [x]
        for i in range(0, len(self.params), 2):
            self.seen.append(np.tanh(self.seen[-1] @ self.params[i] + self.params[i + 1]))
        return self.seen[-1]

    def backward(self, g):
        out = []
        for i in range(len(self.params) - 2, -1, -2):
            g = g * (1 - self.seen[i // 2 + 1] ** 2)
            out = [self.seen[i // 2].T @ g, g.sum(axis=0)] + out
            g = g @ self.params[i].T
        return out


def example(rng):
    return {"init": {"sizes": [3, 5, 2]}, "forward": {"x": rng.normal(size=(4, 3))}}
