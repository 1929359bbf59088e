import numpy as np


def conv_forward(x, w, b, stride, pad):
    """x (batch, in, time), w (out, in, width)"""
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    k = w.shape[2]
    steps = (xp.shape[2] - k) // stride + 1
    y = np.zeros((len(x), len(w), steps))
    for i in range(steps):
        window = xp[:, :, i * stride : i * stride + k]
        y[:, :, i] = np.einsum("nck,fck->nf", window, w) + b
    return y, (x, w, xp, stride, pad)


def conv_backward(dy, cache):
    x, w, xp, stride, pad = cache
    k = w.shape[2]
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    for i in range(dy.shape[2]):
        at = i * stride
        dw += np.einsum("nf,nck->fck", dy[:, :, i], xp[:, :, at : at + k])
        dxp[:, :, at : at + k] += np.einsum("nf,fck->nck", dy[:, :, i], w)
    db = dy.sum(axis=(0, 2))
    dx = dxp[:, :, pad : pad + x.shape[2]]
    return dx, dw, db


def example(rng):
    return {
        "x": rng.normal(size=(2, 3, 7)),
        "w": rng.normal(size=(4, 3, 2)),
        "b": rng.normal(size=4),
        "stride": 1,
        "pad": 0,
    }
