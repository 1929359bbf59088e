import numpy as np


def softmax(e):
    e = np.exp(e - e.max())
    return e / e.sum()


class AdditiveAttention:
    """
    Decoder that reads encoder states H (S, n) with additive attention:

        e_ts  = v . tanh(Wq s_{t-1} + Wk h_s)
        a_t   = softmax(e_t)
        c_t   = sum_s a_ts h_s
        s_t   = tanh(Ws s_{t-1} + Wc c_t)
    """

    def __init__(self, Wq, Wk, v, Ws, Wc):
        self.params = {"Wq": Wq, "Wk": Wk, "v": v, "Ws": Ws, "Wc": Wc}

    def forward(self, H, s0, steps):
        p = self.params
        self.H = H
        self.s = [s0]
        self.trace = []
        K = H @ p["Wk"].T
        for _ in range(steps):
            m = np.tanh(self.s[-1] @ p["Wq"].T + K)  # (S, d)
            a = softmax(m @ p["v"])
            c = a @ H
            self.s.append(np.tanh(p["Ws"] @ self.s[-1] + p["Wc"] @ c))
            self.trace.append((m, a, c))
        return np.array(self.s[1:])

    def backward(self, dout):
        p = self.params
        self.grads = {k: np.zeros_like(w) for k, w in p.items()}
        gr = self.grads
        dH = np.zeros_like(self.H)
        ds = np.zeros_like(self.s[0])
        for t in range(len(dout) - 1, -1, -1):
            m, a, c = self.trace[t]
            s_prev, s = self.s[t], self.s[t + 1]
            dz = (dout[t] + ds) * (1 - s**2)
            gr["Ws"] += np.outer(dz, s_prev)
            gr["Wc"] += np.outer(dz, c)
            ds = p["Ws"].T @ dz
            dc = p["Wc"].T @ dz
            # context
            da = self.H @ dc
            dH += np.outer(a, dc)
            # weights
            de = a * (da - np.dot(a, da))
            gr["v"] += m.T @ de
            dm = np.outer(de, p["v"]) * (1 - m**2)
            gr["Wq"] += np.outer(dm.sum(axis=0), s_prev)
            gr["Wk"] += dm.T @ self.H
            ds += p["Wq"].T @ dm.sum(axis=0)
            dH += dm @ p["Wk"]
        return dH, ds


def example(rng):
    S, n, d, q = 4, 3, 5, 2
    init = {"Wq": rng.normal(size=(d, q)), "Wk": rng.normal(size=(d, n)), "v": rng.normal(size=d),
            "Ws": rng.normal(size=(q, q)), "Wc": rng.normal(size=(q, n))}
    return {"init": init,
            "forward": {"H": rng.normal(size=(S, n)), "s0": rng.normal(size=q), "steps": 3}}
