"""Softmax regression with a squared error on the probabilities (a Brier score)."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def brier_forward(X, Y, W, b):
    z = X @ W + b
    p = softmax(z)
    loss = np.sum((p - Y) ** 2) / X.shape[0]
    cache = (X, Y, W, p)
    return loss, cache


def brier_backward(cache):
    X, Y, W, p = cache
    dp = 2 * (p - Y) / X.shape[0]
    dz = dp * p * (1 - p)
    dX = dz @ W.T
    dW = X.T @ dz
    db = np.sum(dz, axis=0)
    return dX, dW, db


def example(rng):
    return {
        "X": rng.normal(size=(5, 4)),
        "Y": np.eye(3)[rng.integers(0, 3, size=5)],
        "W": rng.normal(size=(4, 3)),
        "b": rng.normal(size=3),
    }
