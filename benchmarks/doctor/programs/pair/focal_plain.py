import numpy as np


def focal(s, t, gamma):
    p = 1 / (1 + np.exp(-s))
    q = np.where(t == 1, p, 1 - p)
    return -np.mean((1 - q) ** gamma * np.log(q)), (q, t, gamma)


def focal_grad(cache):
    q, t, gamma = cache
    dq = gamma * (1 - q) ** (gamma - 1) * np.log(q) - (1 - q) ** gamma / q
    ds = dq * q * (1 - q) * np.where(t == 1, 1, -1) / len(q)
    return ds


def example(rng):
    return {"s": rng.normal(size=6), "t": np.array([1, 0, 1, 1, 0, 0]), "gamma": 0.0}
