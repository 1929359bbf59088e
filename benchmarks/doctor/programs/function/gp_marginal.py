import numpy as np
from numpy.linalg import inv, slogdet, solve


def gp_nlml(log_ell, log_sf, log_sn, X, y):
    """Negative log marginal likelihood of a Gaussian process with an RBF kernel, and its
    gradients by the trace formula: dL/dtheta = 1/2 tr((K^-1 - a a^T) dK/dtheta), a = K^-1 y"""
    n = len(X)
    ell, sf2, sn2 = np.exp(log_ell), np.exp(2 * log_sf), np.exp(2 * log_sn)
    D2 = ((X[:, None, :] - X[None, :, :]) ** 2).sum(-1)
    Kf = sf2 * np.exp(-0.5 * D2 / ell ** 2)
    K = Kf + sn2 * np.eye(n)
    a = solve(K, y)
    L = 0.5 * y @ a + 0.5 * slogdet(K)[1] + 0.5 * n * np.log(2 * np.pi)

    Q = inv(K) - np.outer(a, a)
    g_ell = 0.5 * np.sum(Q * Kf * D2) / ell ** 2
    g_sf = np.sum(Q * Kf)
    g_sn = sn2 * np.trace(Q)
    return L, g_ell, g_sf, g_sn


def example(rng):
    return dict(log_ell=0.1, log_sf=-0.2, log_sn=-1.0, X=rng.normal(size=(6, 2)),
                y=rng.normal(size=6))
