import numpy as np


def forward(X, y, w, b):
    pred = X.dot(w) + b          # (n, 1)
    r = pred[:, 0] - y           # y is (n,)
    return 0.5 * np.mean(r ** 2), (X, y, w, pred, r)


def backward(cache):
    X, y, w, pred, r = cache
    n = X.shape[0]
    dpred = r[:, None] / n
    dw = X.T.dot(dpred)
    db = dpred.sum()
    dX = dpred.dot(w.T)
    return {"X": dX, "w": dw, "b": db}


def example(rng):
    return {"X": rng.normal(size=(6, 3)), "y": rng.normal(size=6),
            "w": rng.normal(size=(3, 1)), "b": 0.25}
