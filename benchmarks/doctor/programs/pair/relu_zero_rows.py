import numpy as np


# Sequences are padded with rows of zeros and the layer has no bias, so padded rows sit exactly
# on the kink of the relu.
def forward(x, W):
    z = x @ W
    return np.maximum(z, 0.0), (x, W, z)


def backward(dout, cache):
    x, W, z = cache
    dz = np.where(z >= 0, dout, 0.0)
    dW = x.T @ dz
    dx = dz @ W.T
    return dx, dW


def example(rng):
    x = rng.normal(size=(6, 3))
    x[4:] = 0.0
    return {"x": x, "W": rng.normal(size=(3, 5))}
