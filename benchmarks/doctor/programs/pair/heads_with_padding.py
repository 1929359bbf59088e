import numpy as np


def split_heads(x, heads):
    batch, time, width = x.shape
    return x.reshape(batch, time, heads, width // heads).transpose(0, 2, 1, 3)


def merge_heads(x):
    batch, heads, time, depth = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, time, heads * depth)


def mha_fwd(x, wq, wk, wv, wo, real, heads):
    """Self-attention; real[batch, time] is False where a sentence is padded."""
    q, k, v = (split_heads(x @ w, heads) for w in (wq, wk, wv))
    scale = 1 / np.sqrt(q.shape[-1])
    scores = q @ k.swapaxes(-1, -2) * scale
    scores = np.where(real[:, None, None, :], scores, -1e9)
    scores = scores - scores.max(-1, keepdims=True)
    att = np.exp(scores)
    att = att / att.sum(-1, keepdims=True)
    ctx = merge_heads(att @ v)
    out = ctx @ wo * real[:, :, None]
    return out, (x, wq, wk, wv, wo, real, heads, q, k, v, scale, att, ctx)


def mha_bwd(dout, cache):
    x, wq, wk, wv, wo, real, heads, q, k, v, scale, att, ctx = cache
    dout = dout * real[:, :, None]
    dwo = np.einsum("btc,btd->cd", ctx, dout)
    dctx = split_heads(dout @ wo.T, heads)
    datt = dctx @ v.swapaxes(-1, -2)
    dv = att.swapaxes(-1, -2) @ dctx
    dscores = att * (datt - (datt * att).sum(-1, keepdims=True))
    dscores = dscores * scale
    dq = dscores @ k
    dk = dscores.swapaxes(-1, -2) @ q
    dq, dk, dv = merge_heads(dq), merge_heads(dk), merge_heads(dv)
    dwq = np.einsum("btd,btc->dc", x, dq)
    dwk = np.einsum("btd,btc->dc", x, dk)
    dwv = np.einsum("btd,btc->dc", x, dv)
    dx = dq @ wq.T + dk @ wk.T + dv @ wv.T
    return dx, dwq, dwk, dwv, dwo


def example(rng):
    width = 4
    weights = {name: rng.normal(size=(width, width)) for name in ("wq", "wk", "wv", "wo")}
    real = np.array([[True, True, True], [True, True, False]])
    return {"x": rng.normal(size=(2, 3, width)), **weights, "real": real, "heads": 2}
