"""One channel through a 2-D convolution with stride 1 and no padding (a cross-correlation)."""

import numpy as np


def correlate(image, kernel):
    kh, kw = kernel.shape
    rows, cols = image.shape[0] - kh + 1, image.shape[1] - kw + 1
    result = np.zeros((rows, cols))
    for i in range(kh):
        for j in range(kw):
            result += kernel[i, j] * image[i : i + rows, j : j + cols]
    return result


def conv_forward(image, kernel, bias):
    return correlate(image, kernel) + bias, (image, kernel)


def conv_backward(d_out, cache):
    image, kernel = cache
    kh, kw = kernel.shape
    d_bias = d_out.sum()
    d_kernel = correlate(image, d_out)
    padded = np.pad(d_out, ((kh - 1, kh - 1), (kw - 1, kw - 1)))
    d_image = correlate(padded, kernel)
    return d_image, d_kernel, d_bias


def example(rng):
    return {
        "image": rng.normal(size=(7, 8)),
        "kernel": rng.normal(size=(2, 3)),
        "bias": rng.normal(),
    }
