import numpy as np


def mdn_nll(h, t, Wp, Wm, Ws):
    """Mixture density output layer, one-dimensional target t (N, 1), K components.

    pi = softmax(h Wp), mu = h Wm, sigma = exp(h Ws)
    """
    N = h.shape[0]
    ap, mu, s = h @ Wp, h @ Wm, h @ Ws
    log_pi = ap - np.log(np.exp(ap).sum(axis=1, keepdims=True))
    sigma = np.exp(s)
    r = (t - mu) / sigma
    logjoint = log_pi - s - 0.5 * r * r - 0.5 * np.log(2 * np.pi)
    top = logjoint.max(axis=1, keepdims=True)
    loglik = top + np.log(np.exp(logjoint - top).sum(axis=1, keepdims=True))
    nll = -loglik.sum() / N

    gamma = np.exp(logjoint - loglik)  # responsibilities
    d_ap = (np.exp(log_pi) - gamma) / N
    d_mu = -gamma * r / sigma / N
    d_s = gamma * (1 - r * r) / N
    d_h = d_ap @ Wp.T + d_mu @ Wm.T + d_s @ Ws.T
    return nll, dict(h=d_h, Wp=h.T @ d_ap, Wm=h.T @ d_mu, Ws=h.T @ d_s)


def example(rng):
    N, D, K = 5, 4, 3
    return dict(h=rng.normal(size=(N, D)), t=rng.normal(size=(N, 1)), Wp=rng.normal(size=(D, K)),
                Wm=rng.normal(size=(D, K)), Ws=0.3 * rng.normal(size=(D, K)))
