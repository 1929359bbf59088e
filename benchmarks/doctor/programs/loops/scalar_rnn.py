"""Count the ones in a binary sequence with a linear RNN of one unit (two scalar weights)."""
import numpy as np


def forward_states(X, wx, wRec):
    S = np.zeros((X.shape[0], X.shape[1] + 1))
    for k in range(X.shape[1]):
        S[:, k + 1] = X[:, k] * wx + S[:, k] * wRec
    return S


def loss(X, t, wx, wRec):
    S = forward_states(X, wx, wRec)
    return np.mean((t - S[:, -1]) ** 2), S


def backward_gradient(X, S, t, wRec):
    grad_over_time = np.zeros((X.shape[0], X.shape[1] + 1))
    grad_over_time[:, -1] = 2.0 * (S[:, -1] - t) / len(t)
    wx_grad = 0
    wRec_grad = 0
    for k in range(X.shape[1], 0, -1):
        wx_grad += np.sum(grad_over_time[:, k] * X[:, k - 1])
        wRec_grad += np.sum(grad_over_time[:, k] * S[:, k - 1])
        grad_over_time[:, k - 1] = grad_over_time[:, k] * wRec
    return (wx_grad, wRec_grad), grad_over_time


def example(rng):
    X = np.around(rng.random((5, 6)))
    return {"X": X, "t": X.sum(axis=1), "wx": -1.5, "wRec": 0.9}
