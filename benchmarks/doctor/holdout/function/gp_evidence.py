import numpy as np
from numpy.linalg import inv, slogdet


def log_evidence(x, t, log_l, log_s, log_n):
    """Log marginal likelihood of a Gaussian process, squared-exponential kernel plus noise."""
    N = len(t)
    r2 = (x[:, None] - x[None, :]) ** 2
    l2 = np.exp(2 * log_l)
    S = np.exp(2 * log_s) * np.exp(-0.5 * r2 / l2)
    K = S + np.exp(2 * log_n) * np.eye(N)
    Ki = inv(K)
    alpha = Ki @ t
    logdet = slogdet(K)[1]
    L = -0.5 * t @ alpha - 0.5 * logdet - 0.5 * N * np.log(2 * np.pi)

    G = 0.5 * (np.outer(alpha, alpha) - Ki)     # dL/dK
    dlog_l = np.sum(G * S * r2) / l2
    dlog_s = 2 * np.sum(G * S)
    dlog_n = 2 * np.exp(2 * log_n) * np.trace(G)
    dt = -alpha
    return L, dict(log_l=dlog_l, log_s=dlog_s, log_n=dlog_n, t=dt)


def example(rng):
    x = np.sort(rng.uniform(0, 4, 6))
    return dict(x=x, t=np.sin(2 * x) + 0.1 * rng.normal(size=6), log_l=-0.4, log_s=0.2, log_n=-0.9)
