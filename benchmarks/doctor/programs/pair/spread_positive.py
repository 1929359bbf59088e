import numpy as np


def gauss_forward(x, mean, var):
    sd = np.sqrt(np.maximum(var, 0))
    return np.sum((x - mean) ** 2 / (2 * var) + np.log(sd)), (x, mean, var)


def gauss_backward(cache):
    x, mean, var = cache
    dmean = -((x - mean) / var).sum(axis=0)
    dvar = (-((x - mean) ** 2) / (2 * var**2) + 0.5 / var).sum(axis=0)
    return dmean, dvar


def example(rng):
    return {"x": rng.normal(size=(6, 3)), "mean": rng.normal(size=3), "var": 0.5 + rng.random(3)}
