"""A gated recurrent unit: a cell for one step, and a layer that takes it through time."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class GRUCell:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx, self.dWh, self.db = (np.zeros_like(p) for p in (Wx, Wh, b))

    def forward(self, x, h):
        ur, uz, un = np.split(x @ self.Wx + self.b, 3, axis=1)
        vr, vz, vn = np.split(h @ self.Wh, 3, axis=1)
        r, z = sigmoid(ur + vr), sigmoid(uz + vz)
        n = np.tanh(un + r * vn)
        h_new = (1 - z) * n + z * h
        return h_new, (x, h, r, z, n, vn, h_new)

    def backward(self, dh_new, cache):
        x, h, r, z, n, vn, h_new = cache
        dn = dh_new * (1 - z) * (1 - n**2)
        dz = dh_new * (h - n) * z * (1 - z)
        dr = dn * vn * r * (1 - r)
        du = np.concatenate([dr, dz, dn], axis=1)
        dv = np.concatenate([dr, dz, dn * r], axis=1)
        self.dWx += x.T @ du
        self.dWh += h_new.T @ dv
        self.db += du.sum(axis=0)
        return du @ self.Wx.T, dh_new * z + dv @ self.Wh.T


class GRU:
    def __init__(self, cell):
        self.cell = cell

    def forward(self, xs, h):
        self.caches = []
        for x in xs:
            h, cache = self.cell.forward(x, h)
            self.caches.append(cache)
        return h

    def backward(self, dh):
        dxs = []
        for cache in reversed(self.caches):
            dx, dh = self.cell.backward(dh, cache)
            dxs.insert(0, dx)
        return np.stack(dxs), dh


def example(rng):
    steps, batch, features, hidden = 3, 2, 3, 4
    Wx = rng.normal(size=(features, 3 * hidden))
    Wh = rng.normal(size=(hidden, 3 * hidden)) / 2
    return {
        "init": {"cell": GRUCell(Wx, Wh, rng.normal(size=3 * hidden))},
        "forward": {
            "xs": rng.normal(size=(steps, batch, features)),
            "h": rng.normal(size=(batch, hidden)),
        },
    }
