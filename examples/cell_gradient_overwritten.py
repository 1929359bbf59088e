"""An LSTM over a sequence, its four gates in one matrix, that predicts a number at every step."""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class LSTM:
    def __init__(self, W, b, v):
        self.W, self.b, self.v = W, b, v

    def forward(self, xs, targets):
        H = self.v.shape[0]
        h, c = np.zeros(H), np.zeros(H)
        self.steps = []
        loss = 0.0
        for x, target in zip(xs, targets):
            z = np.concatenate([h, x])
            gates = self.W @ z + self.b
            i, f, o = (sigmoid(gates[k * H : (k + 1) * H]) for k in range(3))
            g = np.tanh(gates[3 * H :])
            c_prev, c = c, f * c + i * g
            h = o * np.tanh(c)
            error = self.v @ h - target
            loss += 0.5 * error**2
            self.steps.append((z, i, f, o, g, c_prev, c, h, error))
        return loss

    def backward(self):
        H = self.v.shape[0]
        self.dW, self.db, self.dv = (np.zeros_like(p) for p in (self.W, self.b, self.v))
        dh_next, dc_next = np.zeros(H), np.zeros(H)
        for z, i, f, o, g, c_prev, c, h, error in reversed(self.steps):
            self.dv += error * h
            dh = error * self.v + dh_next
            tanh_c = np.tanh(c)
            dc = dc_next
            dc = dh * o * (1 - tanh_c**2)
            di = dc * g * i * (1 - i)
            df = dc * c_prev * f * (1 - f)
            do = dh * tanh_c * o * (1 - o)
            dg = dc * i * (1 - g**2)
            dgates = np.concatenate([di, df, do, dg])
            self.dW += np.outer(dgates, z)
            self.db += dgates
            dh_next = (self.W.T @ dgates)[:H]
            dc_next = dc * f


def example(rng):
    hidden, features, steps = 4, 3, 5
    return {
        "init": {
            "W": rng.normal(size=(4 * hidden, hidden + features)),
            "b": rng.normal(size=4 * hidden),
            "v": rng.normal(size=hidden),
        },
        "forward": {
            "xs": rng.normal(size=(steps, features)),
            "targets": rng.normal(size=steps),
        },
    }
