import numpy as np


class GroupNorm:
    """Normalises groups of channels of x[batch, channels, height, width]; self.grads has the rest."""

    def __init__(self, gamma, beta, groups, eps=1e-5):
        self.params = {"gamma": gamma, "beta": beta}
        self.groups, self.eps = groups, eps
        self.grads = {}

    def forward(self, x):
        N, C, H, W = x.shape
        folded = x.reshape(N, self.groups, -1)
        mu = folded.mean(axis=2, keepdims=True)
        var = ((folded - mu) ** 2).mean(axis=2, keepdims=True)
        self.inv = 1.0 / np.sqrt(var + self.eps)
        self.xhat = ((folded - mu) * self.inv).reshape(x.shape)
        gamma, beta = self.params["gamma"], self.params["beta"]
        return gamma[:, None, None] * self.xhat + beta[:, None, None]

    def backward(self, dy):
        N, C, H, W = dy.shape
        self.grads["gamma"] = (dy * self.xhat).sum(axis=(0, 2, 3))
        self.grads["beta"] = dy.sum(axis=(0, 2, 3))
        dxhat = dy * self.params["gamma"][:, None, None]
        dxhat = dxhat.reshape(N, self.groups, -1)
        xhat = self.xhat.reshape(N, self.groups, -1)
        M = xhat.shape[2]
        total = dxhat.sum(axis=2, keepdims=True)
        along = (dxhat * xhat).sum(axis=2, keepdims=True)
        dx = self.inv / M * (M * dxhat - total - xhat * along)
        return dx.reshape(dy.shape)


def example(rng):
    init = {"gamma": rng.normal(size=4), "beta": rng.normal(size=4), "groups": 2}
    return {"init": init, "forward": {"x": rng.normal(size=(2, 4, 3, 2))}}
