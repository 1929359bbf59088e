import numpy as np


class Conv:
    def __init__(self, channels, filters, size, stride):
        draw = np.random.default_rng(1)
        self.K = draw.normal(size=(filters, channels, size, size))
        self.c = np.zeros(filters)
        self.stride = stride

    def forward(self, img):
        self.img = img
        f, _, k, _ = self.K.shape
        n, _, h, w = img.shape
        s = self.stride
        rows, cols = (h - k) // s + 1, (w - k) // s + 1
        out = np.empty((n, f, rows, cols))
        for r in range(rows):
            for q in range(cols):
                patch = img[:, :, r * s : r * s + k, q * s : q * s + k]
                out[:, :, r, q] = np.tensordot(patch, self.K, ([1, 2, 3], [1, 2, 3])) + self.c
        return out

    def backward(self, dout):
        k, s = self.K.shape[2], self.stride
        dimg = np.zeros_like(self.img)
        self.dK = np.zeros_like(self.K)
        self.dc = dout.sum(axis=(0, 2, 3))
        rows, cols = dout.shape[2:]
        for r in range(rows):
            for q in range(cols):
                top, left = r * s, q * s
                d = dout[:, :, r, q]
                patch = self.img[:, :, top : top + k, left : left + k]
                self.dK += np.tensordot(d, patch, ([0], [0]))
                dimg[:, :, top : top + k, left : left + k] += np.tensordot(d, self.K, ([1], [0]))
        return dimg


def example(rng):
    return {
        "init": {"channels": 2, "filters": 3, "size": 2, "stride": 1},
        "forward": {"img": rng.normal(size=(2, 2, 5, 5))},
    }
