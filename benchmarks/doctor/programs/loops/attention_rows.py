import numpy as np


def softmax(s):
    e = np.exp(s - np.max(s))
    return e / np.sum(e)


def attend(X, Wq, Wk, Wv, Wo):
    """Causal attention of one head over a sequence, one query after the other."""
    T, d = X.shape
    scale = np.sqrt(Wq.shape[1])
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    P = []
    C = np.zeros((T, Wv.shape[1]))
    for i in range(T):
        s = K[: i + 1] @ Q[i] / scale
        p = softmax(s)
        C[i] = p @ V[: i + 1]
        P.append(p)
    out = C @ Wo
    return out, (X, Wq, Wk, Wv, Wo, Q, K, V, P, C, scale)


def attend_backward(dout, cache):
    X, Wq, Wk, Wv, Wo, Q, K, V, P, C, scale = cache
    dWo = C.T @ dout
    dC = dout @ Wo.T
    dQ, dK, dV = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)
    for i in range(len(X)):
        p = P[i]
        dp = V[: i + 1] @ dC[i]
        dV[: i + 1] += np.outer(p, dC[i])
        ds = p * (dp - dp @ p)
        dQ[i] = ds @ K[: i + 1] / scale
        dK[: i + 1] += np.outer(ds, Q[i]) / scale
    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
    return dX, dWq, dWk, dWv, dWo


def example(rng):
    return {
        "X": rng.normal(size=(4, 5)),
        "Wq": rng.normal(size=(5, 3)),
        "Wk": rng.normal(size=(5, 3)),
        "Wv": rng.normal(size=(5, 2)),
        "Wo": rng.normal(size=(2, 6)),
    }
