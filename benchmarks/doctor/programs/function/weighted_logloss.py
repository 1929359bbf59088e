import numpy as np


def weighted_logloss(X, t, sample_weight, beta, beta0):
    eta = X @ beta + beta0
    mu = 1 / (1 + np.exp(-eta))
    ll = t * np.log(mu) + (1 - t) * np.log1p(-mu)
    nll = -np.average(ll, weights=sample_weight)
    resid = sample_weight * (mu - t) / sample_weight.sum()
    g_beta = X.T @ resid
    g_beta0 = resid.sum()
    return nll, (g_beta, g_beta0)


def example(rng):
    return {
        "X": rng.normal(size=(8, 3)),
        "t": rng.integers(0, 2, size=8),
        "sample_weight": np.ones(8),
        "beta": rng.normal(size=3),
        "beta0": 0.0,
    }
