import numpy as np


def logistic(theta, X, y, decay=0.0):
    m = len(y)
    p = 1 / (1 + np.exp(-(X @ theta)))
    J = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean() + decay / (2 * m) * theta[1:] @ theta[1:]
    grad = X.T @ (p - y) / m
    grad[1:] += decay / m * theta[1:]
    return J, grad


def example(rng):
    X = rng.normal(size=(6, 3))
    X[:, 0] = 1
    return {"theta": rng.normal(size=3), "X": X, "y": (rng.random(6) > 0.5).astype(float)}
