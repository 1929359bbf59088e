"""One head of scaled dot-product attention over a batch of sequences."""

import numpy as np


def softmax(s):
    s = np.exp(s - s.max(-1, keepdims=True))
    return s / s.sum(-1, keepdims=True)


def attention(x, wq, wk, wv):
    q, k, v = x @ wq, x @ wk, x @ wv
    scale = 1 / np.sqrt(q.shape[-1])
    p = softmax(scale * np.einsum("btd,bsd->bts", q, k))
    return p @ v, (x, wq, wk, wv, q, k, v, p, scale)


def attention_grad(dy, saved):
    x, wq, wk, wv, q, k, v, p, scale = saved
    dv = np.einsum("bts,btd->bsd", p, dy)
    dp = np.einsum("btd,bsd->bts", dy, v)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    dq = np.einsum("bts,bsd->btd", ds, k)
    dk = scale * np.einsum("bts,btd->bsd", ds, q)
    dwq = np.einsum("btc,btd->cd", x, dq)
    dwk = np.einsum("btc,btd->cd", x, dk)
    dwv = np.einsum("btc,btd->cd", x, dv)
    dx = dq @ wq.T + dk @ wk.T + dv @ wv.T
    return dx, dwq, dwk, dwv


def example(rng):
    return {
        "x": rng.normal(size=(2, 5, 6)),
        "wq": rng.normal(size=(6, 3)),
        "wk": rng.normal(size=(6, 3)),
        "wv": rng.normal(size=(6, 4)),
    }
