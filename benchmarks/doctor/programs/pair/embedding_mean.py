import numpy as np


def forward(tokens, E, W, y):
    """bag of words: look up, average, score, squared hinge-free loss (plain least squares)"""
    emb = E[tokens]                   # (N, T, D)
    bag = emb.mean(axis=1)            # (N, D)
    score = bag @ W                   # (N, K)
    diff = score - y
    loss = 0.5 * (diff * diff).sum()
    return loss, (tokens, E, W, bag, diff)


def backward(cache):
    tokens, E, W, bag, diff = cache
    N, T = tokens.shape
    dW = bag.T @ diff
    dbag = diff @ W.T
    dE = np.zeros_like(E)
    np.add.at(dE, tokens, dbag[:, None, :] / T)
    return dE, dW


def example(rng):
    return {
        "tokens": np.array([[1, 4, 1, 0], [2, 2, 2, 5], [3, 0, 4, 4]]),
        "E": rng.normal(size=(6, 5)),
        "W": rng.normal(size=(5, 2)),
        "y": rng.normal(size=(3, 2)),
    }
