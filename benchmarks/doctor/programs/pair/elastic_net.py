import numpy as np


def forward(X, y, w, b, l1, l2):
    residual = X @ w + b - y
    loss = (residual @ residual) / len(y) + l1 * np.abs(w).sum() + l2 * (w @ w)
    return loss, (X, w, residual, l1, l2)


def backward(cache):
    X, w, residual, l1, l2 = cache
    n = residual.size
    dresidual = 2.0 / n * residual
    dw = X.T @ dresidual + l1 * np.sign(w) + 2.0 * l2 * w
    db = dresidual.sum()
    return dw, db


def example(rng):
    w = rng.normal(size=5)
    w[[1, 3]] = 0.0  # already switched off
    return {"X": rng.normal(size=(8, 5)), "y": rng.normal(size=8), "w": w, "b": 0.1,
            "l1": 0.4, "l2": 0.25}
