import numpy as np


def drop_forward(x, w, p, mode):
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) >= p) / (1 - p)
        x = x * mask
    return x @ w, (x, w, mask, mode)


def drop_backward(dout, cache):
    x, w, mask, mode = cache
    dw = x.T @ dout
    dx = dout @ w.T
    if mode == "train":
        dx = dx * mask
    return dx, dw


def example(rng):
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "p": 0.4, "mode": "test"}
