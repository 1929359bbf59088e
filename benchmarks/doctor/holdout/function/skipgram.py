import numpy as np


def sgns(U, V, centers, contexts, negatives):
    """Skip-gram with negative sampling.

    U, V       (vocabulary, dim)  input and output vectors
    centers    (n,)               word in the middle
    contexts   (n,)               word beside it
    negatives  (n, k)             words drawn at random
    """
    gradU = np.zeros(U.shape)
    gradV = np.zeros(V.shape)
    cost = 0.0
    for c, o, negs in zip(centers, contexts, negatives):
        v = U[c]
        p = 1 / (1 + np.exp(-V[o] @ v))
        cost -= np.log(p)
        gradU[c] += (p - 1) * V[o]
        gradV[o] += (p - 1) * v
        for k in negs:
            q = 1 / (1 + np.exp(V[k] @ v))
            cost -= np.log(q)
            gradU[c] += (1 - q) * V[k]
            gradV[k] += (1 - q) * v
    n = len(centers)
    return cost / n, gradU / n, gradV / n


def example(rng):
    return {
        "U": rng.normal(size=(7, 3)),
        "V": rng.normal(size=(7, 3)),
        "centers": np.array([1, 4, 1, 6]),
        "contexts": np.array([2, 0, 5, 1]),
        "negatives": np.array([[3, 3], [2, 6], [0, 4], [5, 5]]),
    }
