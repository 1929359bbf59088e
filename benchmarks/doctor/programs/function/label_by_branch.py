import numpy as np


def single_loss(w, x, label):
    """One example, label 1.0 or 0.0."""
    s = w @ x
    p = 1 / (1 + np.exp(-s))
    loss = -np.log(p) if label == 1 else -np.log(1 - p)
    dw = (p - label) * x
    return loss, dw


def example(rng):
    return {"w": rng.normal(size=4), "x": rng.normal(size=4), "label": 0.0}
