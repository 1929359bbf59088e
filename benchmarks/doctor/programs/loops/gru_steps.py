import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_step_forward(x, prev_h, Wx, Wh, b):
    """One time step of a GRU: x (N, D), prev_h (N, H), Wx (D, 3H), Wh (H, 3H), b (3H,)."""
    H = prev_h.shape[1]
    a = x @ Wx + b
    c = prev_h @ Wh
    r = sigmoid(a[:, :H] + c[:, :H])
    z = sigmoid(a[:, H:2 * H] + c[:, H:2 * H])
    hh = c[:, 2 * H:]
    n = np.tanh(a[:, 2 * H:] + r * hh)
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, r, z, n, hh)


def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n, hh = cache
    dz = dnext_h * (prev_h - n)
    dn = dnext_h * (1 - z)
    dprev_h = dnext_h * z
    dan = dn * (1 - n ** 2)
    dr = dan * hh
    dhh = dan * r
    dar = dr * r * (1 - r)
    daz = dz * z * (1 - z)
    da = np.hstack([dar, daz, dan])
    dc = np.hstack([dar, daz, dhh])
    dx = da @ Wx.T
    dWx = x.T @ da
    dprev_h = dprev_h + dc @ Wh.T
    dWh = prev_h.T @ dc
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    caches = []
    prev_h = h0
    for t in range(T):
        prev_h, cache = gru_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def gru_backward(dh, caches):
    N, T, H = dh.shape
    D = caches[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, 3 * H)), np.zeros((H, 3 * H)), np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = gru_step_backward(dh[:, t] + dprev_h, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def example(rng):
    N, T, D, H = 3, 4, 5, 2
    return {
        "x": rng.normal(size=(N, T, D)),
        "h0": rng.normal(size=(N, H)),
        "Wx": rng.normal(size=(D, 3 * H)) * 0.6,
        "Wh": rng.normal(size=(H, 3 * H)) * 0.6,
        "b": rng.normal(size=3 * H),
    }
