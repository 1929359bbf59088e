import numpy as np


def elastic_net(w, b, X, y, l1, l2):
    """Targets and predictions are one-dimensional."""
    err = X @ w + b - y
    n = err.size
    loss = np.mean(err ** 2) + l1 * np.sum(np.sqrt(w ** 2 + 1e-3)) + l2 * w @ w
    g_err = 2 * err / n
    g_w = (X * g_err[:, None]).sum(axis=0)
    g_w += l1 * w / np.sqrt(w ** 2 + 1e-3)
    g_w += 2 * l2 * w
    g_b = g_err.sum()
    return loss, g_w, g_b


def example(rng):
    return {"w": rng.normal(size=4), "b": 0.7, "X": rng.normal(size=(6, 4)),
            "y": rng.normal(size=6), "l1": 0.2, "l2": 0.1}
