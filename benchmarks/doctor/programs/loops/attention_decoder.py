"""Scaled dot-product attention, one decoder step after the other, in plain loops."""
import numpy as np


def softmax(v):
    e = np.exp(v - np.max(v))
    return e / e.sum()


def attend(queries, keys, values):
    """queries (T, d), keys (S, d), values (S, e) -> contexts (T, e)"""
    d = queries.shape[1]
    contexts, alphas = [], []
    for q in queries:
        scores = keys @ q / np.sqrt(d)
        alpha = softmax(scores)
        contexts.append(alpha @ values)
        alphas.append(alpha)
    return np.stack(contexts), (queries, keys, values, alphas)


def attend_backward(d_contexts, cache):
    queries, keys, values, alphas = cache
    d = queries.shape[1]
    d_queries = np.zeros_like(queries)
    d_keys = np.zeros_like(keys)
    d_values = np.zeros_like(values)
    for t in range(len(queries)):
        alpha = alphas[t]
        d_values += np.outer(alpha, d_contexts[t])
        d_alpha = values @ d_contexts[t]
        # Jacobian of the softmax: diag(alpha) - alpha alpha^T
        d_scores = alpha * (d_alpha - alpha @ d_alpha)
        d_scores /= np.sqrt(d)
        d_queries[t] = d_scores @ keys
        d_keys += np.outer(d_scores, queries[t])
    return d_queries, d_keys, d_values


def example(rng):
    return {"queries": rng.normal(size=(3, 4)), "keys": rng.normal(size=(5, 4)),
            "values": rng.normal(size=(5, 2))}
