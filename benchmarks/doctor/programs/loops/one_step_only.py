import numpy as np


def forward(xs, h0, U, W, b):
    """xs (time, in); returns all states"""
    h, states = h0, []
    for x in xs:
        h = np.tanh(U @ x + W @ h + b)
        states.append(h)
    return np.stack(states), (xs, h0, U, W, states)


def backward(dstates, cache):
    xs, h0, U, W, states = cache
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dxs = np.zeros_like(xs)
    dh = np.zeros(len(W))
    for t in range(len(xs) - 1, -1, -1):
        da = (dstates[t] + dh) * (1 - states[t] ** 2)
        before = states[t - 1] if t else h0
        dU += np.outer(da, xs[t])
        dW += np.outer(da, before)
        db += da
        dxs[t] = U.T @ da
        dh = W.T @ da
    return dxs, dh, dU, dW, db


def example(rng):
    return {
        "xs": rng.normal(size=(1, 3)),
        "h0": rng.normal(size=4),
        "U": rng.normal(size=(4, 3)),
        "W": rng.normal(size=(4, 4)),
        "b": rng.normal(size=4),
    }
