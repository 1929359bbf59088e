import numpy as np


class Upsample:
    """1 x 1 convolution, nearest-neighbour upsampling by two, then a per-channel shift and sigmoid."""

    def __init__(self, kernel, shift):
        self.gradients = {}
        self.kernel, self.shift = kernel, shift

    def infer(self, maps):
        self.maps = maps
        mixed = np.einsum("oc,nchw->nohw", self.kernel, maps)
        big = mixed.repeat(2, axis=2).repeat(2, axis=3)
        self.heat = 1 / (1 + np.exp(-(big + self.shift[:, None, None])))
        return self.heat

    def learn(self, grad):
        n, o, h2, w2 = grad.shape
        grad = grad * self.heat * (1 - self.heat)
        self.gradients["shift"] = grad.sum(axis=(0, 2, 3))
        small = grad.reshape(n, o, h2 // 2, 2, w2 // 2, 2).sum(axis=(3, 5))
        self.gradients["kernel"] = np.tensordot(small, self.maps, axes=([0, 2, 3], [0, 2, 3]))
        return np.einsum("oc,nohw->nchw", self.kernel, small)


def example(rng):
    return {
        "init": {"kernel": rng.normal(size=(3, 2)), "shift": rng.normal(size=3)},
        "forward": {"maps": rng.normal(size=(2, 2, 3, 4))},
    }
