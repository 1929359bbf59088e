import numpy as np


def lasso(w, X, y, alpha):
    n_samples = X.shape[0]
    r = y - X @ w
    obj = r @ r / (2 * n_samples) + alpha * np.abs(w).sum()
    grad = -(X.T @ r) / n_samples + alpha * np.sign(w)
    return obj, grad


def example(rng):
    w = rng.normal(size=6)
    w[[1, 4]] = 0.0  # a sparse solution
    return {"w": w, "X": rng.normal(size=(9, 6)), "y": rng.normal(size=9), "alpha": 0.4}
