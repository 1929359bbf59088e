"""Regression with a predicted variance: 1/2 mean[ s + (y - mu)^2 exp(-s) ],  s = log variance."""
import numpy as np


def nll_forward(X, y, A, a, wm, ws):
    H = np.tanh(np.einsum("ni,ih->nh", X, A) + a)
    mu = np.einsum("nh,h->n", H, wm)
    s = np.einsum("nh,h->n", H, ws)
    r = y - mu
    prec = np.exp(-s)
    nll = 0.5 * np.mean(s + r * r * prec)
    return nll, (X, H, wm, ws, r, prec)


def nll_backward(cache):
    X, H, wm, ws, r, prec = cache
    n = len(r)
    # heads
    dmu = -r * prec / n
    ds = 0.5 * (1.0 - r**2 * prec) / n
    dwm = np.einsum("n,nh->h", dmu, H)
    dws = np.einsum("n,nh->h", ds, H)
    # trunk
    dH = np.einsum("n,h->nh", dmu, wm)
    dH += np.einsum("n,h->nh", ds, ws)
    dpre = dH * (1.0 - H**2)
    dA = np.einsum("ni,nh->ih", X, dpre)
    da = np.einsum("nh->h", dpre)
    return dA, da, dwm, dws


def example(rng):
    n, i, h = 7, 3, 5
    return {
        "X": rng.normal(size=(n, i)),
        "y": rng.normal(size=n),
        "A": rng.normal(size=(i, h)),
        "a": rng.normal(size=h),
        "wm": rng.normal(size=h),
        "ws": 0.5 * rng.normal(size=h),
    }
