import numpy as np


def softmax(s):
    s = s - s.max(axis=-1, keepdims=True)
    w = np.exp(s)
    return w / w.sum(axis=-1, keepdims=True)


def attention(q, k, v):
    """q (n, d), k (t, d), v (t, e)  ->  (n, e)"""
    d = q.shape[1]
    scores = q @ k.T / np.sqrt(d)
    p = softmax(scores)
    return p @ v, (q, k, v, p)


def attention_grad(do, cache):
    q, k, v, p = cache
    d = q.shape[1]
    dv = p.T @ do
    dp = do @ v.T
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    dq = ds @ k / np.sqrt(d)
    dk = ds.T @ q / np.sqrt(d)
    return dq, dk, dv


def example(rng):
    return {
        "q": rng.normal(size=(3, 4)),
        "k": rng.normal(size=(5, 4)),
        "v": rng.normal(size=(5, 2)),
    }
