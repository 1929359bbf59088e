import numpy as np


def phi(u):
    return np.where(u > 0, u + 1, np.exp(u))


def dphi(u):
    return np.where(u > 0, 1.0, np.exp(u))


class FastWeights:
    """y[t] = S[t]^T phi(q[t]) with the state S[t] = forget * S[t-1] + phi(k[t]) v[t]^T"""

    def __init__(self, forget):
        self.forget = forget

    def forward(self, q, k, v):
        T, d = k.shape
        self.q, self.k, self.v = q, k, v
        self.S = [np.zeros((d, v.shape[1]))]
        y = []
        for t in range(T):
            self.S.append(self.forget * self.S[-1] + np.outer(phi(k[t]), v[t]))
            y.append(self.S[-1].T @ phi(q[t]))
        return np.stack(y)

    def backward(self, gy):
        gq, gk, gv = np.zeros_like(self.q), np.zeros_like(self.k), np.zeros_like(self.v)
        gforget = 0.0
        gS = np.zeros_like(self.S[0])
        for t in range(len(gy) - 1, -1, -1):
            gq[t] = (self.S[t + 1] @ gy[t]) * dphi(self.q[t])
            gS += np.outer(phi(self.q[t]), gy[t])
            gk[t] = (gS @ self.v[t]) * dphi(self.k[t])
            gv[t] = gS.T @ phi(self.k[t])
            gforget += np.sum(gS * self.S[t])
            gS = self.forget * gS
        self.gforget = gforget
        return gq, gk, gv


def example(rng):
    T, d, e = 5, 3, 4
    return {
        "init": {"forget": 0.8},
        "forward": {
            "q": rng.normal(size=(T, d)),
            "k": rng.normal(size=(T, d)),
            "v": rng.normal(size=(T, e)),
        },
    }
