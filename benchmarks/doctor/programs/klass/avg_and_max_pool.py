import numpy as np


class Pool:
    """mode "max" or "avg"; x is (N, H, W, C), size and stride may differ"""

    def __init__(self, size=2, stride=1, mode="max"):
        self.size, self.stride, self.mode = size, stride, mode

    def forward(self, A_prev):
        m, n_H_prev, n_W_prev, n_C = A_prev.shape
        f, s = self.size, self.stride
        n_H = int(1 + (n_H_prev - f) / s)
        n_W = int(1 + (n_W_prev - f) / s)
        A = np.zeros((m, n_H, n_W, n_C))
        for i in range(m):
            for h in range(n_H):
                for w in range(n_W):
                    for c in range(n_C):
                        window = A_prev[i, h * s:h * s + f, w * s:w * s + f, c]
                        A[i, h, w, c] = np.max(window) if self.mode == "max" else np.mean(window)
        self.A_prev = A_prev
        return A

    def backward(self, dA):
        f, s = self.size, self.stride
        m, n_H, n_W, n_C = dA.shape
        dA_prev = np.zeros(self.A_prev.shape)
        for i in range(m):
            for h in range(n_H):
                for w in range(n_W):
                    for c in range(n_C):
                        top, left = h * s, w * s
                        if self.mode == "max":
                            piece = self.A_prev[i, top:top + f, left:left + f, c]
                            mask = piece == np.max(piece)
                            dA_prev[i, top:top + f, left:left + f, c] += mask * dA[i, h, w, c]
                        else:
                            share = dA[i, h, w, c] / (f * f)
                            dA_prev[i, top:top + f, left:left + f, c] += share * np.ones((f, f))
        return dA_prev


def example(rng):
    return {
        "init": {"size": 2, "stride": 1, "mode": "avg"},
        "forward": {"A_prev": rng.normal(size=(2, 4, 3, 2))},
    }
