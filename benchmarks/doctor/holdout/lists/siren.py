# sinusoidal representation network; weights is [(W, b), (W, b), ...]
import numpy as np

w0 = 3.0


def siren(coords, values, weights):
    acts = [coords]
    pres = []
    for W, b in weights[:-1]:
        pre = acts[-1] @ W + b
        pres.append(pre)
        acts.append(np.sin(w0 * pre))
    W, b = weights[-1]
    pred = acts[-1] @ W + b
    res = pred - values
    return 0.5 * (res**2).sum(), acts, pres, res


def siren_gradient(weights, acts, pres, res):
    g = res
    grads = [(acts[-1].T @ g, g.sum(0))]
    for k in range(len(pres) - 1, -1, -1):
        g = g @ weights[k + 1][0].T
        g = g * w0 * np.cos(w0 * pres[k])
        grads.append((acts[k].T @ g, g.sum(0)))
    return grads[::-1], g @ weights[0][0].T


def example(rng):
    d = [2, 5, 4, 1]
    weights = [(rng.normal(size=(i, o)) / i, 0.3 * rng.normal(size=o)) for i, o in zip(d, d[1:])]
    return dict(coords=rng.uniform(-1, 1, (6, 2)), values=rng.normal(size=(6, 1)), weights=weights)
