import numpy as np


def sigm(v):
    return 1 / (1 + np.exp(-v))


class LSTM:
    # all four gates in one product, blocks of H columns in the order i f o g
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.H = Wh.shape[0]

    def forward(self, xs, h0, c0):
        B, T, _ = xs.shape
        H = self.H
        h, c = h0, c0
        self.xs, self.steps = xs, []
        hs = np.zeros((B, T, H))
        for t in range(T):
            h_prev, c_prev = h, c
            a = xs[:, t] @ self.Wx + h_prev @ self.Wh + self.b
            i, f, o = sigm(a[:, :H]), sigm(a[:, H : 2 * H]), sigm(a[:, 2 * H : 3 * H])
            g = np.tanh(a[:, 3 * H :])
            c = f * c_prev + i * g
            h = o * np.tanh(c)
            hs[:, t] = h
            self.steps.append((h_prev, c_prev, i, f, o, g, c))
        return hs

    def backward(self, dhs):
        B, T, H = dhs.shape
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        dxs = np.zeros_like(self.xs)
        dh_next = np.zeros((B, H))
        dc_next = np.zeros((B, H))
        for t in reversed(range(T)):
            h_prev, c_prev, i, f, o, g, c = self.steps[t]
            dh = dhs[:, t] + dh_next
            tc = np.tanh(c)
            dc = dc_next + dh * o * (1 - tc**2)
            da = np.hstack(
                [
                    dc * g * i * (1 - i),
                    dc * c_prev * f * (1 - f),
                    dh * tc * o * (1 - o),
                    dc * i * (1 - g**2),
                ]
            )
            self.dWx += self.xs[:, t].T @ da
            self.dWh += h_prev.T @ da
            self.db += da.sum(axis=0)
            dxs[:, t] = da @ self.Wx.T
            dh_next = da @ self.Wh.T
            dc_next = dc * f
        return dxs, dh_next, dc_next


def example(rng):
    B, T, D, H = 3, 4, 2, 5
    return {
        "init": {
            "Wx": rng.standard_normal((D, 4 * H)),
            "Wh": rng.standard_normal((H, 4 * H)) / 2,
            "b": rng.standard_normal(4 * H),
        },
        "forward": {
            "xs": rng.standard_normal((B, T, D)),
            "h0": rng.standard_normal((B, H)),
            "c0": rng.standard_normal((B, H)),
        },
    }
