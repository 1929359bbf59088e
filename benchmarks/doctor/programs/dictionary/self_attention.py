import numpy as np


def block(p, X):
    """single-head self attention with a residual, X (T, D)"""
    Q, K, V = X @ p["Wq"], X @ p["Wk"], X @ p["Wv"]
    S = Q @ K.T / np.sqrt(Q.shape[-1])
    S = np.where(np.tri(len(X), dtype=bool), S, -1e9)
    E = np.exp(S - S.max(-1, keepdims=True))
    A = E / E.sum(-1, keepdims=True)
    Z = A @ V
    Y = X + Z @ p["Wo"]
    return Y, (X, Q, K, V, A, Z)


def block_backward(p, dY, cache):
    X, Q, K, V, A, Z = cache
    scale = 1 / np.sqrt(Q.shape[-1])
    d = {"Wo": Z.T @ dY}
    dZ = dY @ p["Wo"].T
    dA = dZ @ V.T
    dV = A.T @ dZ
    dS = A * (dA - np.sum(A * dA, axis=-1, keepdims=True))
    dQ = dS @ K * scale
    dK = dS.T @ Q * scale
    d["Wq"] = X.T @ dQ
    d["Wk"] = X.T @ dK
    d["Wv"] = X.T @ dV
    dX = dY + dQ @ p["Wq"].T + dK @ p["Wk"].T + dV @ p["Wv"].T
    return dX, d


def example(rng):
    T, D, H = 5, 4, 3
    return {
        "p": {
            "Wq": rng.normal(size=(D, H)),
            "Wk": rng.normal(size=(D, H)),
            "Wv": rng.normal(size=(D, H)),
            "Wo": rng.normal(size=(H, D)),
        },
        "X": rng.normal(size=(T, D)),
    }
