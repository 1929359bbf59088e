"""One step of an LSTM, a weight matrix for each gate, as a pair of functions."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm_cell_forward(x, h_prev, c_prev, W, b):
    z = np.hstack([x, h_prev])
    i = sigmoid(z @ W["i"] + b["i"])
    f = sigmoid(z @ W["f"] + b["f"])
    o = sigmoid(z @ W["o"] + b["o"])
    g = np.tanh(z @ W["g"] + b["g"])
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    return h, c, (z, i, f, o, g, c_prev, c, W)


def lstm_cell_backward(dh, dc, cache):
    z, i, f, o, g, c_prev, c, W = cache
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    da = {
        "i": dc * g * i * (1 - i),
        "f": dc * c_prev * i * (1 - i),
        "o": dh * np.tanh(c) * o * (1 - o),
        "g": dc * i * (1 - g**2),
    }
    dW = {gate: z.T @ da[gate] for gate in W}
    db = {gate: da[gate].sum(axis=0) for gate in W}
    dz = sum(da[gate] @ W[gate].T for gate in W)
    features = z.shape[1] - c.shape[1]
    return dz[:, :features], dz[:, features:], dc * f, dW, db


def example(rng):
    batch, features, hidden = 3, 2, 4
    return {
        "x": rng.normal(size=(batch, features)),
        "h_prev": rng.normal(size=(batch, hidden)),
        "c_prev": rng.normal(size=(batch, hidden)),
        "W": {gate: rng.normal(size=(features + hidden, hidden)) for gate in "ifog"},
        "b": {gate: rng.normal(size=hidden) for gate in "ifog"},
    }
