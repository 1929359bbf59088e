import numpy as np


def layernorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=1, keepdims=True)
    xc = x - mu
    var = (xc ** 2).mean(axis=1, keepdims=True)
    ivar = 1.0 / np.sqrt(var + eps)
    xhat = xc * ivar
    out = gamma * xhat + beta
    cache = (xc, ivar, xhat, gamma)
    return out, cache


def layernorm_backward(dout, cache):
    xc, ivar, xhat, gamma = cache
    D = xc.shape[1]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dxc = dxhat * ivar
    divar = (dxhat * xc).sum(axis=1, keepdims=True)
    dvar = -0.5 * ivar ** 3 * divar
    dxc += 2.0 / D * xc * dvar
    dmu = -dxc.sum(axis=1, keepdims=True)
    dx = dxc + dmu / D
    return dx, dgamma, dbeta


def gelu_forward(x):
    u = 0.7978845608 * (x + 0.044715 * x ** 3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, t)


def gelu_backward(dout, cache):
    x, t = cache
    du = 0.7978845608 * (1 + 3 * 0.044715 * x ** 2)
    dx = 0.5 * dout * (1 + t) + 0.5 * dout * x * (1 - t ** 2) * du
    return dx


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def ffn_forward(x, gamma, beta, w1, b1, w2, b2):
    """x + W2 gelu(W1 layernorm(x)), the feed-forward half of a pre-norm transformer block."""
    n, ln_cache = layernorm_forward(x, gamma, beta)
    a, fc1_cache = affine_forward(n, w1, b1)
    h, gelu_cache = gelu_forward(a)
    y, fc2_cache = affine_forward(h, w2, b2)
    return x + y, (ln_cache, fc1_cache, gelu_cache, fc2_cache)


def ffn_backward(dout, cache):
    ln_cache, fc1_cache, gelu_cache, fc2_cache = cache
    dh, dw2, db2 = affine_backward(dout, fc2_cache)
    da = gelu_backward(dh, gelu_cache)
    dn, dw1, db1 = affine_backward(da, fc1_cache)
    dx, dgamma, dbeta = layernorm_backward(dn, ln_cache)
    dx = dx + dout
    return dx, dgamma, dbeta, dw1, db1, dw2, db2


def example(rng):
    N, D, F = 4, 5, 7
    return {
        "x": rng.normal(size=(N, D)),
        "gamma": rng.normal(size=D),
        "beta": rng.normal(size=D),
        "w1": rng.normal(size=(D, F)),
        "b1": rng.normal(size=F),
        "w2": rng.normal(size=(F, D)),
        "b2": rng.normal(size=D),
    }
