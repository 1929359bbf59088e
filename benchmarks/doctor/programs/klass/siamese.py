import numpy as np


class Embedder:
    """two dense layers, the same for both inputs of a pair, so gradients add up"""

    def __init__(self, U, c, V):
        self.U, self.c, self.V = U, c, V
        self.zero_grad()

    def zero_grad(self):
        self.gU = np.zeros_like(self.U)
        self.gc = np.zeros_like(self.c)
        self.gV = np.zeros_like(self.V)

    def forward(self, x):
        h = np.tanh(x @ self.U + self.c)
        return h @ self.V, (x, h)

    def backward(self, g, ctx):
        x, h = ctx
        self.gV += h.T @ g
        gh = g @ self.V.T
        ga = gh * (1 - h ** 2)
        self.gU += x.T @ ga
        self.gc += ga.sum(axis=0)
        return ga @ self.U.T


class Siamese:
    """contrastive loss: same pairs come close, others keep a distance of at least `margin`"""

    def __init__(self, U, c, V, margin=2.0):
        self.net = Embedder(U, c, V)
        self.margin = margin

    def loss(self, left, right, same):
        e1, ctx1 = self.net.forward(left)
        e2, ctx2 = self.net.forward(right)
        diff = e1 - e2
        dist = np.sqrt((diff ** 2).sum(axis=1) + 1e-9)
        gap = np.maximum(0, self.margin - dist)
        self.saved = (ctx1, ctx2, diff, dist, gap, same)
        return (same * dist ** 2 + (1 - same) * gap ** 2).sum() / len(same)

    def backward(self):
        ctx1, ctx2, diff, dist, gap, same = self.saved
        self.net.zero_grad()
        gdist = (2 * same * dist - 2 * (1 - same) * gap) / len(same)
        gdiff = (gdist / dist)[:, None] * diff
        gleft = self.net.backward(gdiff, ctx1)
        gright = self.net.backward(-gdiff, ctx2)
        return gleft, gright


def example(rng):
    return {
        "init": {
            "U": rng.normal(size=(3, 5)),
            "c": rng.normal(size=5),
            "V": rng.normal(size=(5, 2)),
            "margin": 3.0,
        },
        "forward": {
            "left": rng.normal(size=(6, 3)),
            "right": rng.normal(size=(6, 3)),
            "same": np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        },
    }
