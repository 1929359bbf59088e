from typing import NamedTuple

import numpy as np


class Saved(NamedTuple):
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    probs: np.ndarray
    scale: float


def causal_attention(q, k, v):
    """q, k: (batch, time, dim)   v: (batch, time, value_dim)"""
    T, dim = q.shape[1:]
    scale = 1.0 / np.sqrt(dim)
    scores = np.einsum("bid,bjd->bij", q, k) * scale
    scores = np.where(np.tril(np.ones((T, T), dtype=bool)), scores, -1e30)
    scores = scores - scores.max(axis=-1, keepdims=True)
    e = np.exp(scores)
    probs = e / e.sum(axis=-1, keepdims=True)
    return np.einsum("bij,bjv->biv", probs, v), Saved(q, k, v, probs, scale)


def causal_attention_vjp(d_out, saved):
    d_v = np.einsum("bij,biv->bjv", saved.probs, d_out)
    d_probs = np.einsum("biv,bjv->bij", d_out, saved.v)
    inner = (d_probs * saved.probs).sum(axis=-1, keepdims=True)
    d_scores = saved.probs * (d_probs - inner)
    d_scores = d_scores * saved.scale
    d_q = np.einsum("bij,bjd->bid", d_scores, saved.k)
    d_k = np.einsum("bij,bid->bjd", d_scores, saved.q)
    return d_q, d_k, d_v


def example(rng):
    b, t, d, dv = 2, 5, 3, 4
    return {
        "q": rng.standard_normal((b, t, d)),
        "k": rng.standard_normal((b, t, d)),
        "v": rng.standard_normal((b, t, dv)),
    }
