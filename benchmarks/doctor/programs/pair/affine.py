import numpy as np


def affine_forward(x, w, b):
    """
    x: minibatch of shape (N, d_1, ..., d_k)
    w: (D, M) with D = d_1 * ... * d_k
    b: (M,)
    """
    x_row = x.reshape(x.shape[0], -1)
    out = x_row.dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    x_row = x.reshape(x.shape[0], -1)
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x_row.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def example(rng):
    return {
        "x": rng.normal(size=(4, 2, 3)),
        "w": rng.normal(size=(6, 5)),
        "b": rng.normal(size=5),
    }
