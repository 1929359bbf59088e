from collections import namedtuple

import numpy as np

Cache = namedtuple("Cache", "x u a s y")


def net(theta, x, t):
    u = x @ theta["A"] + theta["a0"]
    a = np.arctan(u)
    s = x + a @ theta["B"]                    # skip connection
    y = s @ theta["C"]
    return ((y - t) ** 2).sum() / y.shape[0], Cache(x, u, a, s, y)


def net_grad(theta, cache, t):
    g = {}
    gy = 2 * (cache.y - t) / cache.y.shape[0]
    g["C"] = cache.s.T @ gy
    gs = gy @ theta["C"].T
    g["B"] = cache.a.T @ gs
    ga = gs @ theta["B"].T
    gu = ga / (1 + cache.u ** 2)
    g["A"] = cache.x.T @ gu
    g["a0"] = gu.sum(0)
    g["x"] = gs + gu @ theta["A"].T
    return g


def example(rng):
    theta = {
        "A": rng.normal(size=(4, 6)),
        "a0": rng.normal(size=6),
        "B": rng.normal(size=(6, 4)),
        "C": rng.normal(size=(4, 2)),
    }
    return {"theta": theta, "x": rng.normal(size=(5, 4)), "t": rng.normal(size=(5, 2))}
