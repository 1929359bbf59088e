"""Negative binomial regression: counts y, log-rates X w + c, dispersion r = exp(s)."""
import numpy as np
from scipy.special import digamma, gammaln


def nll_and_grad(X, y, w, c, s):
    n = len(y)
    eta = X @ w + c
    mu = np.exp(eta)
    r = np.exp(s)
    ll = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
    ll += r * np.log(r / (r + mu)) + y * np.log(mu / (r + mu))
    loss = -ll.mean()

    d_eta = (mu * (y + r) / (r + mu) - y) / n
    d_w = X.T @ d_eta
    d_c = d_eta.sum()
    d_r = digamma(y + r) - digamma(r) + np.log(r / (r + mu)) + 1 - (r + y) / (r + mu)
    d_s = -r * d_r.mean()
    return loss, d_w, d_c, d_s


def example(rng):
    return {"X": rng.normal(size=(7, 3)), "y": rng.poisson(3.0, size=7), "w": rng.normal(size=3) * 0.5, "c": 0.4, "s": 0.3}
