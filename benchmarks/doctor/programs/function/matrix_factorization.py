import numpy as np


def mf_objective(P, Q, bu, bi, R, mask, mu, reg=0.02):
    """Biased matrix factorisation on the observed ratings (mask == 1) only."""
    pred = mu + bu[:, None] + bi[None, :] + P @ Q.T
    E = mask * (R - pred)
    obs = mask.sum()
    obj = np.sum(E * E) / obs
    obj += reg * (np.sum(P ** 2) + np.sum(Q ** 2) + np.sum(bu ** 2) + np.sum(bi ** 2))

    G = -2.0 * E / obs
    gP = G @ Q + 2 * reg * P
    gQ = G.T @ P + 2 * reg * Q
    gbu = G.sum(axis=1) + 2 * reg * bu
    gbi = G.sum(axis=0) + 2 * reg * bi
    gmu = G.sum()
    return obj, (gP, gQ, gbu, gbi, gmu)


def example(rng):
    users, items, k = 5, 6, 3
    return {
        "P": rng.normal(size=(users, k)), "Q": rng.normal(size=(items, k)),
        "bu": rng.normal(size=users), "bi": rng.normal(size=items),
        "R": rng.integers(1, 6, size=(users, items)).astype(float),
        "mask": (rng.random((users, items)) < 0.6).astype(float),
        "mu": 3.1,
    }
