"""A recurrent layer over a batch of sequences: every step's state is an output."""

import numpy as np


def rnn_forward(x, h0, Wx, Wh, b):
    h, states = h0, []
    for t in range(x.shape[1]):
        states.append((x[:, t], h))
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        states[-1] += (h,)
    return np.stack([state[2] for state in states], axis=1), (states, Wx, Wh)


def rnn_backward(dhs, cache):
    states, Wx, Wh = cache
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    db = np.zeros(Wh.shape[1])
    dx, dh_next = [], np.zeros_like(dhs[:, 0])
    for t in reversed(range(len(states))):
        x, h_prev, h = states[t]
        dh = dhs[:, t]
        da = dh * (1 - h**2)
        dWx += x.T @ da
        dWh += h_prev.T @ da
        db += da.sum(axis=0)
        dx.insert(0, da @ Wx.T)
        dh_next = da @ Wh.T
    return np.stack(dx, axis=1), dh_next, dWx, dWh, db


def example(rng):
    batch, steps, features, hidden = 3, 4, 2, 5
    return {
        "x": rng.normal(size=(batch, steps, features)),
        "h0": rng.normal(size=(batch, hidden)),
        "Wx": rng.normal(size=(features, hidden)),
        "Wh": rng.normal(size=(hidden, hidden)) / 2,
        "b": rng.normal(size=hidden),
    }
