import numpy as np


def split(x, heads):
    t, d = x.shape
    return x.reshape(t, heads, d // heads).transpose(1, 0, 2)


def merge(x):
    heads, t, d = x.shape
    return x.transpose(1, 0, 2).reshape(t, heads * d)


def attend_forward(x, Wq, Wk, Wv, heads):
    q, k, v = split(x @ Wq, heads), split(x @ Wk, heads), split(x @ Wv, heads)
    scale = q.shape[-1] ** -0.5
    s = q @ k.transpose(0, 2, 1) * scale
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    a = e / e.sum(axis=-1, keepdims=True)
    return merge(a @ v), (x, Wq, Wk, Wv, q, k, v, a, heads)


def attend_backward(dout, cache):
    x, Wq, Wk, Wv, q, k, v, a, heads = cache
    do = split(dout, heads)
    dv = a.transpose(0, 2, 1) @ do
    da = do @ v.transpose(0, 2, 1)
    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))
    ds = ds * q.shape[-1] ** -0.5
    dq, dk = ds @ k, ds.transpose(0, 2, 1) @ q
    dq, dk, dv = merge(dq), merge(dk), merge(dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, x.T @ dq, x.T @ dk, x.T @ dv


def example(rng):
    return {
        "x": rng.normal(size=(5, 6)),
        "Wq": rng.normal(size=(6, 4)),
        "Wk": rng.normal(size=(6, 4)),
        "Wv": rng.normal(size=(6, 4)),
        "heads": 1,
    }
