import numpy as np


def negative_elbo(x, eps, We, be, Wm, bm, Wv, bv, Wd, bd):
    """Gaussian VAE, one hidden layer in the encoder, linear decoder, noise given.

    -ELBO = 1/N sum [ 0.5 |x - x_hat|^2 + KL(q(z|x) || N(0, I)) ]
    """
    N = x.shape[0]
    # encoder
    h = np.tanh(x @ We + be)
    mu = h @ Wm + bm
    logvar = h @ Wv + bv
    std = np.exp(0.5 * logvar)
    z = mu + std * eps
    # decoder
    x_hat = z @ Wd + bd
    rec = 0.5 * np.sum((x - x_hat) ** 2) / N
    kl = -0.5 * np.sum(1 + logvar - mu ** 2 - np.exp(logvar)) / N
    loss = rec + kl

    dL = {}
    dx_hat = (x_hat - x) / N
    dL["Wd"] = z.T @ dx_hat
    dL["bd"] = dx_hat.sum(axis=0)
    dz = dx_hat @ Wd.T

    dmu = dz + mu / N
    dlogvar = dz * eps * 0.5 * std + 0.5 * (np.exp(logvar) - 1) / N
    dL["Wm"], dL["bm"] = h.T @ dmu, dmu.sum(axis=0)
    dL["Wv"], dL["bv"] = h.T @ dlogvar, dlogvar.sum(axis=0)

    dh = dmu @ Wm.T + dlogvar @ Wv.T
    dpre = dh * (1 - h ** 2)
    dL["We"], dL["be"] = x.T @ dpre, dpre.sum(axis=0)
    return loss, dL


def example(rng):
    N, D, H, K = 5, 6, 4, 3
    r = rng.normal
    return {"x": r(size=(N, D)), "eps": r(size=(N, K)), "We": r(size=(D, H)), "be": r(size=H),
            "Wm": r(size=(H, K)), "bm": r(size=K), "Wv": 0.5 * r(size=(H, K)), "bv": r(size=K),
            "Wd": r(size=(K, D)), "bd": r(size=D)}
