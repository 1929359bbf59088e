import numpy as np


class Conv2D:
    def __init__(self, kernels, bias, stride=1, padding=0):
        self.kernels = kernels        # (out_c, in_c, kh, kw)
        self.bias = bias              # (out_c,)
        self.stride = stride
        self.padding = padding

    def _windows(self, img):
        kh, kw = self.kernels.shape[2:]
        s = self.stride
        rows = (img.shape[2] - kh) // s + 1
        cols = (img.shape[3] - kw) // s + 1
        for r in range(rows):
            for c in range(cols):
                yield r, c, r * s, c * s, kh, kw

    def forward(self, x):
        p = self.padding
        self.padded = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
        n, (oc, _, kh, kw) = len(x), self.kernels.shape
        rows = (self.padded.shape[2] - kh) // self.stride + 1
        cols = (self.padded.shape[3] - kw) // self.stride + 1
        y = np.zeros((n, oc, rows, cols))
        for r, c, i, j, kh, kw in self._windows(self.padded):
            patch = self.padded[:, :, i:i + kh, j:j + kw]
            y[:, :, r, c] = np.tensordot(patch, self.kernels, axes=([1, 2, 3], [1, 2, 3]))
        return y + self.bias[None, :, None, None]

    def backward(self, dy):
        self.dkernels = np.zeros_like(self.kernels)
        dpadded = np.zeros_like(self.padded)
        self.dbias = dy.sum(axis=(0, 2, 3))
        for r, c, i, j, kh, kw in self._windows(self.padded):
            patch = self.padded[:, :, i:i + kh, j:j + kw]
            d = dy[:, :, r, c]
            self.dkernels += np.tensordot(d, patch, axes=([0], [0]))
            dpadded[:, :, i:i + kh, j:j + kw] += np.tensordot(d, self.kernels, axes=([1], [0]))
        p = self.padding
        if p == 0:
            return dpadded
        return dpadded[:, :, p:-p, p:-p]


def example(rng):
    return {
        "init": {
            "kernels": rng.normal(size=(3, 2, 3, 2)),
            "bias": rng.normal(size=3),
            "stride": 2,
            "padding": 1,
        },
        "forward": {"x": rng.normal(size=(2, 2, 5, 6))},
    }
