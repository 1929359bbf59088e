import numpy as np


class Elman:
    """Starts each sequence from zeros, so the first step adds nothing to dV."""

    def __init__(self, n_in, n_hid):
        r = np.random.default_rng(9)
        self.U = r.normal(size=(n_hid, n_in))
        self.V = r.normal(size=(n_hid, n_hid)) / n_hid
        self.start = np.zeros(n_hid)

    def forward(self, xs):
        self.xs, self.hs = xs, []
        h = self.start
        for x in xs:
            h = np.tanh(self.U @ x + self.V @ h)
            self.hs.append(h)
        return h

    def backward(self, dh):
        self.dU, self.dV = np.zeros_like(self.U), np.zeros_like(self.V)
        for t in reversed(range(len(self.xs))):
            da = dh * (1 - self.hs[t] ** 2)
            self.dU += np.outer(da, self.xs[t])
            if t > 0:
                self.dV += np.outer(da, self.hs[t - 1])
            dh = self.V.T @ da


def example(rng):
    return {"init": {"n_in": 3, "n_hid": 4}, "forward": {"xs": rng.normal(size=(5, 3))}}
