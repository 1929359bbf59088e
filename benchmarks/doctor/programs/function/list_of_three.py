import numpy as np


def evaluate(x, y, first, second, third):
    u = np.tanh(x @ first)
    v = np.tanh(u @ second)
    out = v @ third
    diff = out - y
    value = 0.5 * (diff**2).sum()
    back = []
    d = diff
    back.append(v.T @ d)
    d = d @ third.T * (1 - v**2)
    back.append(u.T @ d)
    d = d @ second.T * (1 - u**2)
    back.append(x.T @ d)
    return value, back[::-1]


def example(rng):
    return {
        "x": rng.normal(size=(6, 3)),
        "y": rng.normal(size=(6, 2)),
        "first": rng.normal(size=(3, 4)),
        "second": rng.normal(size=(4, 5)),
        "third": rng.normal(size=(5, 2)),
    }
