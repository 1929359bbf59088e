import numpy as np

dtype = np.float32


def forward(params, X, y):
    X = X.astype(dtype)
    a = X @ params["w1"].astype(dtype) + params["b1"].astype(dtype)
    h = np.maximum(a, dtype(0))
    pred = (h @ params["w2"].astype(dtype)).ravel()
    diff = pred - y.astype(dtype)
    return float(np.mean(diff**2)), (X, a, h, diff)


def backward(params, cache):
    X, a, h, diff = cache
    gpred = (2 * diff / diff.size)[:, np.newaxis]
    gw2 = h.T @ gpred
    gh = gpred @ params["w2"].astype(dtype).T
    gh[a < 0] = 0
    return dict(w1=X.T @ gh, b1=gh.sum(0), w2=gw2)


def example(rng):
    params = dict(w1=rng.normal(size=(3, 6)), b1=rng.normal(size=6), w2=rng.normal(size=(6, 1)))
    return dict(params=params, X=rng.normal(size=(8, 3)), y=rng.normal(size=8))
