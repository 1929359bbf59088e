import numpy as np


def sparse_loss(X, W, b, c, V, d, rho, beta, lam):
    """Columns are examples. An autoencoder with two hidden layers, the second one sparse."""
    m = X.shape[1]
    h = np.tanh(W.dot(X) + b)
    s = 1.0 / (1.0 + np.exp(-(V.dot(h) + c)))
    g = V.T.dot(s)
    out = W.T.dot(g) + d

    err = out - X
    rho_hat = s.mean(axis=1, keepdims=True)
    kl = np.sum(rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat)))
    cost = np.sum(err ** 2) / (2 * m) + beta * kl + lam / 2 * (np.sum(W ** 2) + np.sum(V ** 2))

    d_out = err / m
    d_d = d_out.sum(axis=1, keepdims=True)
    d_W_dec = g.dot(d_out.T)
    d_g = W.dot(d_out)
    d_V_dec = s.dot(d_g.T)
    d_kl = (-rho / rho_hat + (1 - rho) / (1 - rho_hat)) / m
    d_s = V.dot(d_g) + beta * d_kl
    d_zs = d_s * s * (1 - s)
    d_V = d_zs.dot(h.T) + d_V_dec + lam * V
    d_c = d_zs.sum(axis=1, keepdims=True)
    d_h = V.T.dot(d_zs)
    d_zh = d_h * (1 - h ** 2)
    d_W = d_zh.dot(X.T) + d_W_dec + lam * W
    d_b = d_zh.sum(axis=1, keepdims=True)
    return cost, {"W": d_W, "b": d_b, "V": d_V, "c": d_c, "d": d_d}


def example(rng):
    n, k, s, m = 5, 4, 3, 6
    return dict(
        X=rng.normal(size=(n, m)),
        W=rng.normal(size=(k, n)),
        b=rng.normal(size=(k, 1)),
        c=rng.normal(size=(s, 1)),
        V=rng.normal(size=(s, k)),
        d=rng.normal(size=(n, 1)),
        rho=0.2,
        beta=0.7,
        lam=0.3,
    )
