import numpy as np


def encode_decode(p, x):
    h = np.tanh(x @ p["W"] + p["c"])
    r = h @ p["W"].T + p["d"]
    return h, r


def forward(p, x):
    h, r = encode_decode(p, x)
    res = r - x
    return np.mean(np.sum(res ** 2, axis=1)), {"p": p, "x": x, "h": h, "res": res}


def backward(cache):
    p, x, h, res = (cache[k] for k in ("p", "x", "h", "res"))
    n = x.shape[0]
    grad = {}
    dr = 2.0 * res / n
    grad["d"] = dr.sum(axis=0)
    dh = dr @ p["W"]
    dpre = dh * (1.0 - h ** 2)
    grad["c"] = dpre.sum(axis=0)
    grad["W"] = x.T @ dpre + dr.T @ h      # used twice: encoder and decoder
    return grad


def example(rng):
    return {
        "p": {"W": rng.normal(size=(5, 3)), "c": rng.normal(size=3), "d": rng.normal(size=5)},
        "x": rng.normal(size=(4, 5)),
    }
