import numpy as np


def objective(par, X, y, strength):
    fit = X @ par["w"] + par["b"]
    err = fit - y
    value = err @ err / (2 * len(y)) + strength * np.abs(par["w"]).sum()
    return value, (X, err, strength)


def gradient(par, kept):
    X, err, strength = kept
    out = {}
    out["w"] = X.T @ err / len(err) + strength * np.sign(par["w"])
    out["b"] = err.mean()
    return out


def example(rng):
    return {
        "par": {"w": rng.uniform(0.5, 1.5, size=4), "b": 0.0},
        "X": rng.normal(size=(7, 4)),
        "y": rng.normal(size=7),
        "strength": 0.2,
    }
