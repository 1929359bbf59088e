"""The layers for images once more, as loops over their equations: to be read, and for the tests to
compare the layers with. Nothing here is fast.

Symbols and shapes are those of the layers; `windows` says where the windows lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from byhand.layers.base import Array, Shape
from byhand.layers.windows import Pair, Windows


def pixels(windows: Windows, p: int, q: int, size: Pair) -> Iterator[tuple[int, int, int, int]]:
    """Each element (i, j) of window (p, q) with the pixel (u, v) that it lies on, row by row.

    What lies on the border outside of the image is left out.
    """
    (sh, sw), (ph, pw), (dh, dw) = windows.stride, windows.padding, windows.dilation
    height, width = size
    for i, j in product(range(windows.kernel[0]), range(windows.kernel[1])):
        u, v = sh * p + dh * i - ph, sw * q + dw * j - pw
        if 0 <= u < height and 0 <= v < width:
            yield i, j, u, v


def convolution2d(x: Array, W: Array, b: Array, windows: Windows, groups: int = 1) -> Array:
    """z[n, o, p, q] = Σ_cij W[o, c, i, j] x̂[n, c, s p + d i, s q + d j] + b[o]"""
    batch, _, *size = x.shape
    n_out, n_in, *_ = W.shape
    rows, columns = windows.count((size[0], size[1]))
    z = np.zeros((batch, n_out, rows, columns), x.dtype)
    for n in range(batch):
        for o in range(n_out):
            first = o // (n_out // groups) * n_in  # the first input channel of o's group
            for p in range(rows):
                for q in range(columns):
                    for c in range(n_in):
                        for i, j, u, v in pixels(windows, p, q, (size[0], size[1])):
                            z[n, o, p, q] += W[o, c, i, j] * x[n, first + c, u, v]
                    z[n, o, p, q] += b[o]
    return z


def convolution2d_backward(
    dz: Array, x: Array, W: Array, windows: Windows, groups: int = 1
) -> tuple[Array, Array, Array]:
    """dx, dW and db, in the same loops: where W x was added to z, dz W is added to dx and dz x to
    dW."""
    n_out, n_in, *_ = W.shape
    size = (x.shape[2], x.shape[3])
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(n_out, x.dtype)
    for n, o, p, q in np.ndindex(*dz.shape):
        first = o // (n_out // groups) * n_in
        for c in range(n_in):
            for i, j, u, v in pixels(windows, p, q, size):
                dx[n, first + c, u, v] += dz[n, o, p, q] * W[o, c, i, j]
                dW[o, c, i, j] += dz[n, o, p, q] * x[n, first + c, u, v]
        db[o] += dz[n, o, p, q]
    return dx, dW, db


def max_pool2d(x: Array, windows: Windows) -> tuple[Array, dict[Shape, Pair]]:
    """y[n, c, p, q] = max_ij x̂[n, c, s p + i, s q + j], and the switch (u, v) of each (n, c, p, q):
    the pixel that was largest, the first of them where there are several."""
    batch, channels, height, width = x.shape
    y = np.empty((batch, channels, *windows.count((height, width))), x.dtype)
    switches: dict[Shape, Pair] = {}
    for n, c, p, q in np.ndindex(*y.shape):
        for _, _, u, v in pixels(windows, p, q, (height, width)):
            if (n, c, p, q) not in switches or x[n, c, u, v] > y[n, c, p, q]:
                y[n, c, p, q] = x[n, c, u, v]
                switches[n, c, p, q] = (u, v)
    return y, switches


def max_pool2d_backward(dy: Array, switches: dict[Shape, Pair], shape: Shape) -> Array:
    """dx of this shape: all of dy to the pixel that the switch names."""
    dx = np.zeros(shape, dy.dtype)
    for (n, c, p, q), (u, v) in switches.items():
        dx[n, c, u, v] += dy[n, c, p, q]
    return dx


def average_pool2d(x: Array, windows: Windows) -> Array:
    """y[n, c, p, q] = 1/(kh kw) Σ_ij x̂[n, c, s p + i, s q + j]"""
    batch, channels, height, width = x.shape
    kh, kw = windows.kernel
    y = np.zeros((batch, channels, *windows.count((height, width))), x.dtype)
    for n, c, p, q in np.ndindex(*y.shape):
        for _, _, u, v in pixels(windows, p, q, (height, width)):
            y[n, c, p, q] += x[n, c, u, v] / (kh * kw)
    return y


def average_pool2d_backward(dy: Array, shape: Shape, windows: Windows) -> Array:
    """dx of this shape: dy/(kh kw) to every pixel of the window."""
    kh, kw = windows.kernel
    dx = np.zeros(shape, dy.dtype)
    for n, c, p, q in np.ndindex(*dy.shape):
        for _, _, u, v in pixels(windows, p, q, (shape[2], shape[3])):
            dx[n, c, u, v] += dy[n, c, p, q] / (kh * kw)
    return dx


def standardize(values: Array, epsilon: float) -> Array:
    """x̂ₖ = (xₖ − μ) / σ for m values, with μ = 1/m Σₖ xₖ and σ² = 1/m Σₖ (xₖ − μ)² + ε"""
    mean = sum(values) / len(values)
    variance = sum((x - mean) ** 2 for x in values) / len(values)
    out: Array = np.array([(x - mean) / np.sqrt(variance + epsilon) for x in values])
    return out


def batch_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """In training: every feature over the batch. x[batch, features]"""
    y = np.empty_like(x)
    for f in range(len(gamma)):
        y[:, f] = gamma[f] * standardize(x[:, f], epsilon) + beta[f]
    return y


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """Every example over its features. x[batch, features]"""
    y = np.empty_like(x)
    for n in range(len(x)):
        y[n] = gamma * standardize(x[n], epsilon) + beta
    return y
