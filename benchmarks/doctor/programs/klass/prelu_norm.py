import numpy as np


class PReLU:
    """one learnable slope per channel; x is (N, C, T)"""

    def __init__(self, slope):
        self.slope = slope

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope[None, :, None] * x)

    def backward(self, dy):
        neg = self.x < 0
        self.dslope = (dy * self.x * neg).sum(axis=(0, 2))
        return dy * np.where(neg, self.slope[None, :, None], 1.0)


class LayerNorm:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        mean = x.mean(axis=-1, keepdims=True)
        self.inv = 1.0 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.xhat = (x - mean) * self.inv
        return self.weight * self.xhat + self.bias

    def backward(self, dy):
        self.dweight = (dy * self.xhat).sum(axis=(0, 1))
        self.dbias = dy.sum(axis=(0, 1))
        n = dy.shape[-1]
        dxhat = dy * self.weight
        s1 = dxhat.sum(axis=-1, keepdims=True)
        s2 = (dxhat * self.xhat).sum(axis=-1, keepdims=True)
        return self.inv * (n * dxhat - s1 - self.xhat * s2) / n


class Block:
    def __init__(self, slope, weight, bias):
        self.act = PReLU(slope)
        self.norm = LayerNorm(weight, bias)

    def forward(self, x):
        return self.act.forward(self.norm.forward(x))

    def backward(self, dy):
        return self.norm.backward(self.act.backward(dy))


def example(rng):
    return {
        "init": {
            "slope": rng.uniform(0.1, 0.9, size=3),
            "weight": rng.normal(size=5),
            "bias": rng.normal(size=5),
        },
        "forward": {"x": rng.normal(size=(2, 3, 5))},
    }
