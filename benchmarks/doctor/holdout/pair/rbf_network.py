import numpy as np
from numpy import exp, newaxis


def rbf_forward(x, centers, log_beta, W):
    '''
    x:        (N, D)
    centers:  (K, D)
    log_beta: (K,)     width of every bump, on a log scale
    W:        (K, O)
    '''
    diff = x[:, newaxis, :] - centers[newaxis, :, :]     # (N, K, D)
    sq = (diff ** 2).sum(axis=2)                         # (N, K)
    beta = exp(log_beta)
    phi = exp(-beta * sq)
    y = phi.dot(W)
    return y, (diff, sq, beta, phi, W)


def rbf_backward(dy, cache):
    diff, sq, beta, phi, W = cache
    dW = phi.T.dot(dy)
    dphi = dy.dot(W.T)
    dexpo = dphi * phi
    dlog_beta = -(dexpo * sq).sum(axis=0) * beta
    dsq = -dexpo * beta
    ddiff = 2 * diff * dsq[:, :, newaxis]
    dx = ddiff.sum(axis=1)
    dcenters = -ddiff.sum(axis=0)
    return dx, dcenters, dlog_beta, dW


def example(rng):
    return {"x": rng.normal(size=(5, 2)), "centers": rng.normal(size=(4, 2)),
            "log_beta": rng.normal(size=4) - 1.0, "W": rng.normal(size=(4, 3))}
