"""Two (or more) LSTM layers on top of each other, last output -> scalar regression per example."""
import numpy as np


def _sig(x):
    return 1.0 / (1.0 + np.exp(-x))


def cell(x, h, c, p):
    zx = np.concatenate([x, h], axis=1)
    gates = zx @ p["W"] + p["b"]
    n = h.shape[1]
    i = _sig(gates[:, 0 * n:1 * n])
    f = _sig(gates[:, 1 * n:2 * n])
    o = _sig(gates[:, 2 * n:3 * n])
    u = np.tanh(gates[:, 3 * n:4 * n])
    c_new = f * c + i * u
    h_new = o * np.tanh(c_new)
    return h_new, c_new, dict(zx=zx, c=c, i=i, f=f, o=o, u=u, c_new=c_new)


def cell_back(dh, dc, k, p):
    """Returns gradients of x, h, c, W and b."""
    tc = np.tanh(k["c_new"])
    d_o = dh * tc
    dc_new = dc + dh * k["o"] * (1 - tc ** 2)
    d_i = dc_new * k["u"]
    d_u = dc_new * k["i"]
    d_f = dc_new * k["c"]
    d_gates = np.concatenate([
        d_i * k["i"] * (1 - k["i"]),
        d_f * k["f"] * (1 - k["f"]),
        d_o * k["o"] * (1 - k["o"]),
        d_u * (1 - k["u"] ** 2),
    ], axis=1)
    d_zx = d_gates @ p["W"].T
    d_in = d_zx.shape[1] - dh.shape[1]
    return d_zx[:, :d_in], d_zx[:, d_in:], dc_new * k["f"], k["zx"].T @ d_gates, d_gates.sum(0)


def forward(xs, y, layers, head):
    """xs (T, B, D); layers: list of {"W", "b"}; head (n,)"""
    T, B, _ = xs.shape
    sizes = [p["b"].size // 4 for p in layers]
    h = [np.zeros((B, n)) for n in sizes]
    c = [np.zeros((B, n)) for n in sizes]
    memo = {}
    for t in range(T):
        inp = xs[t]
        for l, p in enumerate(layers):
            h[l], c[l], memo[t, l] = cell(inp, h[l], c[l], p)
            inp = h[l]
    top = h[-1]
    resid = top @ head - y
    return 0.5 * np.mean(resid ** 2), (T, B, memo, top, resid)


def backward(state, layers, head):
    T, B, memo, top, resid = state
    grads = [{"W": np.zeros_like(p["W"]), "b": np.zeros_like(p["b"])} for p in layers]
    sizes = [p["b"].size // 4 for p in layers]
    dh = [np.zeros((B, n)) for n in sizes]
    dc = [np.zeros((B, n)) for n in sizes]
    dxs = [None] * T
    dr = resid / B
    d_head = top.T @ dr
    dh[-1] += np.outer(dr, head)
    for t in reversed(range(T)):
        for l in reversed(range(len(layers))):
            dx, dh[l], dc[l], dW, db = cell_back(dh[l], dc[l], memo[t, l], layers[l])
            grads[l]["W"] += dW
            grads[l]["b"] += db
            if l > 0:
                dh[l - 1] += dx  # the layer below fed this one at the same step
            else:
                dxs[t] = dx
    return grads, d_head, np.stack(dxs)


def example(rng):
    D, n1, n2 = 3, 4, 5
    layer = lambda i, n: {"W": 0.6 * rng.normal(size=(i + n, 4 * n)), "b": rng.normal(size=4 * n)}
    return {"xs": rng.normal(size=(3, 2, D)), "y": rng.normal(size=2),
            "layers": [layer(D, n1), layer(n1, n2)], "head": rng.normal(size=n2)}
