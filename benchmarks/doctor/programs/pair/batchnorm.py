import numpy as np

EPS = 1e-5


def batchnorm_forward(x, gamma, beta):
    N, D = x.shape
    mu = 1. / N * np.sum(x, axis=0)                 # step 1
    xmu = x - mu                                    # step 2
    sq = xmu ** 2                                   # step 3
    var = 1. / N * np.sum(sq, axis=0)               # step 4
    sqrtvar = np.sqrt(var + EPS)                    # step 5
    ivar = 1. / sqrtvar                             # step 6
    xhat = xmu * ivar                               # step 7
    gammax = gamma * xhat                           # step 8
    out = gammax + beta                             # step 9
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    N, D = dout.shape

    # step 9
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    # step 8
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    # step 7
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # step 6
    dsqrtvar = -1. / (sqrtvar ** 2) * divar
    # step 5
    dvar = 0.5 * 1. / np.sqrt(var + EPS) * dsqrtvar
    # step 4
    dsq = 1. / N * np.ones((N, D)) * dvar
    # step 3
    dxmu2 = 2 * xmu * dsq
    # step 2
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    # step 1
    dx2 = 1. / N * np.ones((N, D)) * dmu
    # step 0
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def example(rng):
    x = 2.0 * rng.standard_normal((5, 3)) + 1.0
    return {'x': x, 'gamma': 1 + 0.5 * rng.standard_normal(3), 'beta': rng.standard_normal(3)}
