"""Second-order factorization machine with logistic loss on labels of +1 and -1."""
import numpy as np


def fm_objective(X, y, w0, w, V, reg):
    n = X.shape[0]
    XV = X @ V
    pairs = 0.5 * (XV ** 2 - (X ** 2) @ (V ** 2)).sum(axis=1)
    score = w0 + X @ w + pairs
    margin = y * score
    obj = np.log1p(np.exp(-margin)).mean() + reg * (V * V).sum()
    # gradient
    coef = -y / (1 + np.exp(margin)) / n
    g_w0 = coef.sum()
    g_w = coef @ X
    g_V = X.T @ (coef[:, None] * XV)
    g_V -= ((X ** 2) * coef[:, None]).sum(axis=0)[:, None] * V
    g_V += 2 * reg * V
    return obj, (g_w0, g_w, g_V)


def example(rng):
    return {"X": rng.normal(size=(8, 4)), "y": rng.choice([-1.0, 1.0], size=8), "w0": 0.2,
            "w": rng.normal(size=4), "V": rng.normal(size=(4, 3)), "reg": 0.1}
