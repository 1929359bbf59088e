import numpy as np


def loss(X, Y, W):
    P = np.tanh(X @ W)
    return np.sum((P - Y) ** 2) / X.shape[0]


def loss_grad(X, Y, W):
    P = np.tanh(X @ W)
    dP = 2 * (P - Y) / X.shape[0]
    dW = X.T @ (dP * (1 - P**2))
    return dW


def example(rng):
    return {"X": rng.normal(size=(4, 4)), "Y": rng.normal(size=(4, 3)), "W": rng.normal(size=(4, 3))}
