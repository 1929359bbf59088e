import numpy as np


# Max pooling over (N, C, H, W); windows may overlap (stride < size).
def pool_forward(x, size=3, stride=2):
    n, c, h, w = x.shape
    oh = (h - size) // stride + 1
    ow = (w - size) // stride + 1
    y = np.empty((n, c, oh, ow))
    for i in range(oh):
        for j in range(ow):
            r, s = i * stride, j * stride
            y[:, :, i, j] = x[:, :, r:r + size, s:s + size].max(axis=(2, 3))
    return y, (x, y, size, stride)


def pool_backward(dy, cache):
    x, y, size, stride = cache
    dx = np.zeros_like(x)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            r, s = i * stride, j * stride
            patch = x[:, :, r:r + size, s:s + size]
            mask = patch == y[:, :, i, j][:, :, None, None]
            dx[:, :, r:r + size, s:s + size] += mask * dy[:, :, i, j][:, :, None, None]
    return dx


def example(rng):
    return {"x": rng.normal(size=(2, 3, 7, 5)), "size": 3, "stride": 2}
