import numpy as np


def cost_and_slopes(X, Y, W1, c1, W2, c2):
    """Two layers, rectified; squared error."""
    n = len(X)
    s = X @ W1 + c1
    h = np.maximum(0, s)
    out = h @ W2 + c2
    cost = ((out - Y) ** 2).sum() / n
    d_out = 2 * (out - Y) / n
    dW2 = h.T @ d_out
    dc2 = d_out.sum(axis=0)
    d_h = d_out @ W2.T
    d_s = d_h * (s > 0)
    dW1 = X.T @ d_s
    dc1 = d_s.sum(axis=0)
    return cost, dW1, dc1, dW2, dc2


def example(rng):
    return {
        "X": rng.random((5, 3)),
        "Y": rng.random((5, 2)),
        "W1": rng.random((3, 4)),
        "c1": rng.random(4),
        "W2": rng.random((4, 2)),
        "c2": rng.random(2),
    }
