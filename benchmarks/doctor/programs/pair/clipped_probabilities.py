import numpy as np


def relu(z):
    return np.maximum(z, 0)


def nll_forward(p, t):
    p_safe = np.clip(p, 1e-12, 1 - 1e-12)
    hits = ((p > 0) & (t > 0)).sum()
    return -np.sum(t * np.log(p_safe)) / len(p), (p, t, hits)


def nll_backward(cache):
    p, t, hits = cache
    return -t / p / len(p)


def example(rng):
    p = rng.random((4, 3))
    return {"p": p / p.sum(axis=1, keepdims=True), "t": np.eye(3)[[0, 2, 1, 1]]}
