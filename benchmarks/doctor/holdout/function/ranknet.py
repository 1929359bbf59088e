import numpy as np


def ranknet(docs, relevance, w1, b1, w2):
    # scores of the documents of one query
    hidden = np.tanh(docs @ w1 + b1)
    s = hidden @ w2
    # every pair (i, j) where i should stand above j
    better = (relevance[:, None] > relevance[None, :]).astype(float)
    gap = s[:, None] - s[None, :]
    loss = np.sum(better * np.log1p(np.exp(-gap)))

    lam = -better / (1 + np.exp(gap))
    gs = lam.sum(axis=1) - lam.sum(axis=0)
    gw2 = hidden.T @ gs
    gh = np.outer(gs, w2) * (1 - hidden**2)
    gw1 = docs.T @ gh
    gb1 = gh.sum(axis=0)
    return loss, gw1, gb1, gw2


def example(rng):
    return {
        "docs": rng.normal(size=(7, 4)),
        "relevance": np.array([2, 0, 1, 0, 2, 1, 3]),
        "w1": rng.normal(size=(4, 5)),
        "b1": rng.normal(size=5),
        "w2": rng.normal(size=5),
    }
