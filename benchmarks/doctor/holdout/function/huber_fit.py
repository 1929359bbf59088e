import numpy as np


def huber(w, b, features, observed, delta=1.0, l1=0.0):
    n = features.shape[0]
    e = features @ w + b - observed
    small = np.abs(e) <= delta
    loss = np.where(small, 0.5 * e**2, delta * (np.abs(e) - 0.5 * delta)).mean()
    loss = loss + l1 * np.sum(np.abs(w))

    g = np.where(small, e, delta * np.sign(e)) / n
    gw = features.T @ g + l1 * np.sign(w)
    gb = np.sum(g)
    return loss, {"w": gw, "b": gb}


def example(rng):
    return {
        "w": rng.standard_normal(4),
        "b": rng.standard_normal(),
        "features": rng.standard_normal((10, 4)),
        "observed": 2 * rng.standard_normal(10),
        "delta": 0.8,
        "l1": 0.05,
    }
