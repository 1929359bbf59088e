"""Negative log-likelihood of a linear-chain CRF; gradients are marginals minus what was observed."""
import numpy as np


def logsumexp(a, axis):
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def crf_nll(unary, pairwise, tags):
    """unary (T, K) scores, pairwise[i, j] the score of tag j after tag i, tags (T,)"""
    T, K = unary.shape
    alpha = np.zeros((T, K))
    alpha[0] = unary[0]
    for t in range(1, T):
        alpha[t] = unary[t] + logsumexp(alpha[t - 1][:, None] + pairwise, axis=0)
    log_z = logsumexp(alpha[-1], axis=0)
    score = unary[np.arange(T), tags].sum() + pairwise[tags[:-1], tags[1:]].sum()
    return log_z - score, (alpha, log_z)


def crf_nll_backward(unary, pairwise, tags, cache):
    alpha, log_z = cache
    T, K = unary.shape
    beta = np.zeros((T, K))
    for t in range(T - 2, -1, -1):
        beta[t] = logsumexp(pairwise + (unary[t + 1] + beta[t + 1])[None, :], axis=1)
    d_unary = np.exp(alpha + beta - log_z)
    d_unary[np.arange(T), tags] -= 1
    d_pairwise = np.zeros((K, K))
    for t in range(T - 1):
        joint = alpha[t][:, None] + pairwise + (unary[t + 1] + beta[t + 1])[None, :]
        d_pairwise += np.exp(joint - log_z)
        d_pairwise[tags[t], tags[t + 1]] -= 1
    return d_unary, d_pairwise


def example(rng):
    return {"unary": rng.normal(size=(5, 3)), "pairwise": rng.normal(size=(3, 3)),
            "tags": np.array([0, 2, 2, 1, 2])}
