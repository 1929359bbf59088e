import numpy as np


def mf(R, M, P, Q, bu, bi, mu=3.0, lam=0.1):
    # R ratings (users x items), M = 1 where a rating is known
    pred = mu + bu[:, None] + bi[None, :] + P @ Q.T
    E = M * (R - pred)
    J = 0.5 * (E ** 2).sum() + 0.5 * lam * ((P ** 2).sum() + (Q ** 2).sum())
    nabla_Q = -E.T @ P + lam * Q
    nabla_P = -E @ Q + lam * P
    nabla_bi = -E.sum(axis=0)
    nabla_bu = -E.sum(axis=1)
    return nabla_Q, nabla_P, J, (nabla_bi, nabla_bu)


def example(rng):
    u, i, f = 5, 4, 3
    return {
        "R": rng.integers(1, 6, (u, i)).astype(float),
        "M": (rng.random((u, i)) < 0.7).astype(float),
        "P": rng.normal(size=(u, f)),
        "Q": rng.normal(size=(i, f)),
        "bu": rng.normal(size=u),
        "bi": rng.normal(size=i),
    }
