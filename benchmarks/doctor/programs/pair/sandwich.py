import numpy as np


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db


def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, None] + 1.0)
    margins[np.arange(N), y] = 0
    return margins.sum() / N, margins


def svm_loss_backward(margins, y):
    N = margins.shape[0]
    dx = np.zeros_like(margins)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= (margins > 0).sum(axis=1)
    return dx / N


def net_forward(x, y, w1, b1, w2, b2):
    h, c1 = affine_relu_forward(x, w1, b1)
    s, c2 = affine_forward(h, w2, b2)
    loss, margins = svm_loss(s, y)
    return loss, (c1, c2, margins, y)


def net_backward(cache):
    c1, c2, margins, y = cache
    ds = svm_loss_backward(margins, y)
    dh, dw2, db2 = affine_backward(ds, c2)
    dx, dw1, db1 = affine_relu_backward(dh, c1)
    return dx, dw1, db1, dw2, db2


def example(rng):
    return {
        "x": rng.normal(size=(6, 3)),
        "y": rng.integers(0, 4, size=6),
        "w1": rng.normal(size=(3, 7)),
        "b1": rng.normal(size=7),
        "w2": rng.normal(size=(7, 4)),
        "b2": rng.normal(size=4),
    }
