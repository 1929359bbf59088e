import numpy as np


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def lstm_forward(x, h0, c0, Wx, Wh, b):
    """LSTM with the four gates in one matrix: order input, forget, output, candidate.

    x (N, T, D), h0 and c0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,)
    Returns all hidden states (N, T, H), the last cell state (N, H) and the cache.
    """
    N, T, _ = x.shape
    H = h0.shape[1]
    hs = np.zeros((N, T, H))
    h, c = h0, c0
    steps = []
    for t in range(T):
        a = x[:, t] @ Wx + h @ Wh + b
        i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H])
        g = np.tanh(a[:, 3*H:])
        c_next = f * c + i * g
        tc = np.tanh(c_next)
        steps.append((h, c, i, f, o, g, tc))
        h, c = o * tc, c_next
        hs[:, t] = h
    return hs, c, (x, Wx, Wh, steps)


def lstm_backward(dhs, dc_last, cache):
    x, Wx, Wh, steps = cache
    N, T, D = x.shape
    H = Wh.shape[0]
    dx = np.zeros_like(x)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dh, dc = np.zeros((N, H)), dc_last.copy()
    for t in reversed(range(T)):
        h_prev, c_prev, i, f, o, g, tc = steps[t]
        dh = dh + dhs[:, t]
        dc = dc + dh * o * (1 - tc**2)
        da = np.hstack([
            dc * g * i * (1 - i),
            dc * c_prev * f * (1 - f),
            dh * tc * o * (1 - o),
            dc * i * (1 - g**2),
        ])
        dx[:, t] = da @ Wx.T
        dWx += x[:, t].T @ da
        dWh += h_prev.T @ da
        db += da.sum(axis=0)
        dh = da @ Wh.T
        dc = dc * f
    return dx, dh, dc, dWx, dWh, db


def example(rng):
    N, T, D, H = 2, 3, 5, 4
    return {
        "x": rng.normal(size=(N, T, D)), "h0": rng.normal(size=(N, H)), "c0": rng.normal(size=(N, H)),
        "Wx": rng.normal(size=(D, 4 * H)) * 0.5, "Wh": rng.normal(size=(H, 4 * H)) * 0.5,
        "b": rng.normal(size=4 * H),
    }
