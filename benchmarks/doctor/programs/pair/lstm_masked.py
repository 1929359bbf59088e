import numpy as np


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def lstm_step(x, h, c, Wx, Wh, b):
    """Gates in the order i, f, o, g."""
    a = x @ Wx + h @ Wh + b
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * c + i * g
    tc = np.tanh(next_c)
    next_h = o * tc
    return next_h, next_c, (x, h, c, Wx, Wh, i, f, o, g, tc)


def lstm_step_grad(dnext_h, dnext_c, cache):
    x, h, c, Wx, Wh, i, f, o, g, tc = cache
    do = dnext_h * tc
    dtc = dnext_h * o
    dnext_c = dnext_c + dtc * (1 - tc * tc)
    df = dnext_c * c
    dc = dnext_c * f
    di = dnext_c * g
    dg = dnext_c * i
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)], axis=1)
    return da @ Wx.T, da @ Wh.T, dc, x.T @ da, h.T @ da, da.sum(axis=0)


def lstm(x, mask, h0, Wx, Wh, b):
    """x (time, batch, in); where the mask (time, batch) is 0 the sequence has ended and its state stays."""
    h, c = h0, np.zeros_like(h0)
    caches = []
    for t in range(len(x)):
        k = mask[t][:, None]
        hn, cn, cache = lstm_step(x[t], h, c, Wx, Wh, b)
        h = k * hn + (1 - k) * h
        c = k * cn + (1 - k) * c
        caches.append((cache, k))
    return h, caches


def lstm_grad(dh, caches):
    dc = np.zeros_like(dh)
    dxs = []
    dWx = dWh = db = 0
    for cache, k in caches[::-1]:
        dx, dh_step, dc_step, dWx_t, dWh_t, db_t = lstm_step_grad(k * dh, k * dc, cache)
        dh = dh_step + (1 - k) * dh
        dc = dc_step + (1 - k) * dc
        dWx = dWx + dWx_t
        dWh = dWh + dWh_t
        db = db + db_t
        dxs.insert(0, dx)
    return np.array(dxs), dh, dWx, dWh, db


def example(rng):
    T, N, D, H = 4, 3, 5, 2
    return {
        "x": rng.normal(size=(T, N, D)),
        "mask": np.array([[1.0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 1]]),
        "h0": rng.normal(size=(N, H)),
        "Wx": rng.normal(size=(D, 4 * H)) * 0.6,
        "Wh": rng.normal(size=(H, 4 * H)) * 0.6,
        "b": rng.normal(size=4 * H),
    }
