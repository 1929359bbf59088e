import numpy as np


def masked_loss(W, b, x, y, mask):
    """x (batch, time, in), y (batch, time), mask (batch, time): 1 where the step is real"""
    err = (x @ W + b - y) * mask
    total = mask.sum()
    loss = 0.5 * np.sum(err**2) / total
    d = err * mask / total
    dW = np.einsum("bti,bt->i", x, d)
    db = d.sum()
    return loss, dW, db


def example(rng):
    return {
        "W": rng.normal(size=3),
        "b": 0.5,
        "x": rng.normal(size=(2, 4, 3)),
        "y": rng.normal(size=(2, 4)),
        "mask": np.ones((2, 4)),
    }
