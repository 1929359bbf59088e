import numpy as np


def normalize(v):
    n = np.sqrt((v ** 2).sum(axis=1, keepdims=True))
    return v / n, (v, n)


def normalize_grad(du, cache):
    v, n = cache
    u = v / n
    return (du - u * (du * u).sum(axis=1, keepdims=True)) / n


def encode(x, W, b):
    z = x @ W + b
    a = np.log(1 + np.exp(z))
    u, norm_cache = normalize(a)
    return u, (x, W, z, norm_cache)


def encode_grad(du, cache):
    x, W, z, norm_cache = cache
    da = normalize_grad(du, norm_cache)
    dz = da / (1 + np.exp(-z))
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)


def contrastive_forward(images, texts, Wi, bi, Wt, bt, tau):
    """Both encoders are trained to say which text belongs to which image."""
    u, cache_i = encode(images, Wi, bi)
    v, cache_t = encode(texts, Wt, bt)
    s = u @ v.T / tau
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    n = len(images)
    loss = -np.log(np.diag(p)).mean()
    return loss, (cache_i, cache_t, u, v, s, p, n, tau)


def contrastive_backward(cache):
    cache_i, cache_t, u, v, s, p, n, tau = cache
    ds = (p - np.eye(n)) / n
    dtau = -(ds * s).sum() / tau
    du = ds @ v / tau
    dv = ds.T @ u / tau
    dimages, dWi, dbi = encode_grad(du, cache_i)
    dtexts, dWt, dbt = encode_grad(dv, cache_t)
    return dimages, dtexts, dWi, dbi, dWt, dbt, dtau


def example(rng):
    return {
        "images": rng.normal(size=(4, 5)),
        "texts": rng.normal(size=(4, 3)),
        "Wi": rng.normal(size=(5, 6)),
        "bi": rng.normal(size=6),
        "Wt": rng.normal(size=(3, 6)),
        "bt": rng.normal(size=6),
        "tau": 0.4,
    }
