import numpy as np

lr = 0.1
mom = 0.9


def step(X, T, W, V, c, vel):
    """One step of gradient ascent on the log-likelihood of +1/-1 labels T; returns what it used."""
    S = np.tanh(X @ W)
    f = S @ V + c
    margin = T * f
    ll = -np.mean(np.log1p(np.exp(-margin)))

    df = T / (1 + np.exp(margin)) / len(T)
    dV = S.T @ df
    dc = df.sum()
    dS = np.outer(df, V)
    dW = X.T @ (dS * (1 - S * S))

    vel["W"] = mom * vel["W"] + lr * dW
    vel["V"] = mom * vel["V"] + lr * dV
    W += vel["W"]
    V += vel["V"]
    c += lr * dc
    return ll, dW, dV, dc


def example(rng):
    n, d, h = 7, 3, 4
    return {
        "X": rng.normal(size=(n, d)),
        "T": np.where(rng.random(n) < 0.5, -1.0, 1.0),
        "W": rng.normal(size=(d, h)),
        "V": rng.normal(size=h),
        "c": 0.2,
        "vel": {"W": np.zeros((d, h)), "V": np.zeros(h)},
    }
