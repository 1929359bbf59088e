import numpy as np


def conv_apply(image, filters, bias, stride, border):
    """image[batch, height, width, in], filters[rows, cols, in, out]; strided, padded with zeros."""
    padded = np.pad(image, ((0, 0), (border, border), (border, border), (0, 0)))
    rows, cols = filters.shape[:2]
    high = (padded.shape[1] - rows) // stride + 1
    wide = (padded.shape[2] - cols) // stride + 1
    result = np.zeros((len(image), high, wide, filters.shape[3]))
    for r in range(rows):
        for c in range(cols):
            patch = padded[:, r:r + stride * high:stride, c:c + stride * wide:stride]
            result += patch @ filters[r, c]
    return result + bias, (padded, filters, stride, border)


def conv_apply_back(grad, kept):
    padded, filters, stride, border = kept
    rows, cols = filters.shape[:2]
    high, wide = grad.shape[1:3]
    g_padded, g_filters = np.zeros_like(padded), np.zeros_like(filters)
    for r in range(rows):
        for c in range(cols):
            patch = padded[:, r:r + stride * high:stride, c:c + stride * wide:stride]
            g_filters[r, c] = np.tensordot(patch, grad, axes=((0, 1, 2), (0, 1, 2)))
            g_padded[:, r:r + stride * high:stride, c:c + stride * wide:stride] += grad @ filters[r, c].T
    g_bias = grad.sum(axis=(0, 1, 2))
    g_image = g_padded[:, border:-border, border:-border]
    return g_image, g_filters, g_bias


def example(rng):
    return {
        "image": rng.normal(size=(2, 5, 5, 2)), "filters": rng.normal(size=(3, 3, 2, 3)),
        "bias": rng.normal(size=3), "stride": 2, "border": 1,
    }
