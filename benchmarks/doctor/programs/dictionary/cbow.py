"""word2vec, CBOW with a full softmax. Context words are averaged."""
import numpy as np


def loss(P, context, center):
    v = P["U"][context].mean(axis=1)            # N x d
    scores = v @ P["V"].T                       # N x vocab
    scores -= scores.max(1, keepdims=True)
    p = np.exp(scores)
    p /= p.sum(1, keepdims=True)
    n = len(center)
    return -np.log(p[range(n), center]).sum(), (context, center, v, p)


def gradients(P, cache):
    context, center, v, p = cache
    n, window = context.shape
    ds = p.copy()
    ds[range(n), center] -= 1
    dV = ds.T @ v
    dv = ds @ P["V"]
    dU = np.zeros_like(P["U"])
    for i in range(n):
        for w in context[i]:
            dU[w] += dv[i] / window
    return {"U": dU, "V": dV}


def example(rng):
    return {
        "P": {"U": rng.normal(size=(7, 4)), "V": rng.normal(size=(7, 4))},
        "context": np.array([[0, 2, 2], [5, 6, 0], [1, 1, 3], [4, 2, 0]]),
        "center": np.array([1, 3, 3, 6]),
    }
