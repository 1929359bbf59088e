import numpy as np


class Carrying:
    def __init__(self, n_in, n_hid):
        r = np.random.default_rng(1)
        self.U = r.normal(size=(n_hid, n_in))
        self.V = r.normal(size=(n_hid, n_hid))
        self.h = np.zeros(n_hid)

    def forward(self, xs):
        self.xs = xs
        self.hs = [self.h]
        for x in xs:
            self.hs.append(np.tanh(self.U @ x + self.V @ self.hs[-1]))
        self.h = self.hs[-1]
        return np.array(self.hs[1:])

    def backward(self, dhs):
        self.dU, self.dV = np.zeros_like(self.U), np.zeros_like(self.V)
        carry = np.zeros(len(self.V))
        for t in range(len(self.xs), 0, -1):
            da = (dhs[t - 1] + carry) * (1 - self.hs[t] ** 2)
            self.dU += np.outer(da, self.xs[t - 1])
            self.dV += np.outer(da, self.hs[t - 1])
            carry = self.V.T @ da


def example(rng):
    return {"init": {"n_in": 3, "n_hid": 4}, "forward": {"xs": rng.normal(size=(3, 3))}}
