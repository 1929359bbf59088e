import numpy as np


def group_norm(x, weight, bias, groups=2, eps=1e-6):
    n, c, h, w = x.shape
    xg = x.reshape(n, groups, c // groups, h, w)
    mean = xg.mean((2, 3, 4), keepdims=True)
    std = np.sqrt(xg.var((2, 3, 4), keepdims=True) + eps)
    xhat = ((xg - mean) / std).reshape(n, c, h, w)
    out = xhat * weight.reshape(1, c, 1, 1) + bias.reshape(1, c, 1, 1)
    cache = xhat, std, weight, groups
    return out, cache


def group_norm_grad(dout, cache):
    xhat, std, weight, groups = cache
    n, c, h, w = dout.shape
    split = (n, groups, c // groups, h, w)
    dweight = np.sum(dout * xhat, axis=(0, 2, 3))
    dbias = np.sum(dout, axis=(0, 2, 3))
    dxhat = (dout * weight.reshape(1, c, 1, 1)).reshape(split)
    xh = xhat.reshape(split)
    m1 = dxhat.mean((2, 3, 4), keepdims=True)
    m2 = (dxhat * xh).mean((2, 3, 4), keepdims=True)
    dx = (dxhat - m1 - xh * m2) / std
    return dx.reshape(n, c, h, w), dweight, dbias


def example(rng):
    x = rng.standard_normal((2, 6, 3, 4))
    return {"x": x, "weight": 1 + 0.3 * rng.standard_normal(6), "bias": rng.standard_normal(6), "groups": 2}
