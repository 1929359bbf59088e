import numpy as np


def l2_normalize_forward(v, eps=1e-12):
    norm = np.sqrt((v * v).sum(axis=1, keepdims=True) + eps)
    u = v / norm
    return u, (v, u, norm)


def l2_normalize_backward(du, cache):
    v, u, norm = cache
    along = (du * u).sum(axis=1, keepdims=True)
    dv = (du - u * along) / norm
    return dv


def example(rng):
    return {"v": 3.0 * rng.normal(size=(4, 3))}
