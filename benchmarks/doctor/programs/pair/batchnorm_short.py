import numpy as np


def bn_forward(X, gamma, beta, eps=1e-8):
    mu = X.mean(axis=0)
    var = X.var(axis=0)
    X_norm = (X - mu) / np.sqrt(var + eps)
    out = gamma * X_norm + beta
    return out, (X, X_norm, mu, var, gamma, eps)


def bn_backward(dout, cache):
    X, X_norm, mu, var, gamma, eps = cache
    N, D = X.shape
    X_mu = X - mu
    std_inv = 1. / np.sqrt(var + eps)

    dX_norm = dout * gamma
    dvar = np.sum(dX_norm * X_mu, axis=0) * -.5 * std_inv**3
    # the term with dvar * mean(-2 * X_mu) vanishes
    dmu = np.sum(dX_norm * -std_inv, axis=0)

    dX = dX_norm * std_inv + dvar * 2 * X_mu / N + dmu / N
    dgamma = np.sum(dout * X_norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dX, dgamma, dbeta


def example(rng):
    return dict(X=rng.normal(1.0, 3.0, (6, 4)), gamma=rng.normal(size=4), beta=rng.normal(size=4))
