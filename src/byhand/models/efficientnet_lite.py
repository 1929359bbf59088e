"""EfficientNet-Lite0: a network for photographs that is small enough for a phone.

Its rectifier that ends at 6 is no layer of its own elsewhere, and is written here. NumPy runs it,
and the residual blocks; the other engines have no twin of either.

Source      Tan, Le, EfficientNet, arXiv 1905.11946, table 1; "Lite" is by Google (2020), without
            squeeze and excitation and with ReLU6 for swish. Sandler et al., MobileNetV2, arXiv
            1801.04381, for the block.
"""

from __future__ import annotations

import numpy as np

from byhand.layers import (
    Array,
    BatchNorm,
    Convolution2D,
    Dense,
    GlobalAveragePool2D,
    Gradients,
    Layer,
    Sequential,
)
from byhand.layers.residual import Residual

STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""kernel, stride of the first block, expansion, channels, blocks"""
STEM, HEAD, CLASSES = 32, 1280, 1000
EPSILON = 1e-3


class ReLU6(Layer):
    """a = min(max(0, z), 6), elementwise: a rectifier whose numbers fit into a few bits.

    Shapes      z[...]   a[...]
    Derivative  1 where 0 < z < 6, else 0; 0 at both corners, as in PyTorch:

        dz = da ⊙ [0 < z < 6]

    Source      Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010), section 2.
    """

    equation = "a = min(max(0, z), 6)"
    axes = {"z": ("...",), "a": ("...",)}

    def forward(self, z: Array) -> tuple[Array, Array]:
        self.check(z=z)
        a = np.minimum(np.maximum(z, 0), 6)
        return a, a

    def backward(self, da: Array, a: Array) -> tuple[Array, Gradients]:
        self.check(a=a, da=da)
        return da * ((a > 0) & (a < 6)), {}


def efficientnet_lite0() -> Sequential:
    """The network with its parameters still to be drawn, or read from a file.

    Shapes      x[batch, 3, 224, 224] -> scores[batch, 1000]

    Where it halves an image, TensorFlow puts one row of zeros less above it than below, and one
    column less on the left. Padding is the same on both sides here; in its place the kernel has a
    first row and column of weights that are 0, see `widened`.
    """
    layers: list[Layer] = [*_convolved(3, STEM, 3, 2, 1, "stem"), ReLU6(name="stem_relu")]
    n_in, number = STEM, 0
    for kernel, first_stride, expansion, n_out, blocks in STAGES:
        for stride in (first_stride, *[1] * (blocks - 1)):
            block = _block(n_in, n_out, kernel, stride, expansion)
            if stride == 1 and n_in == n_out:
                layers.append(Residual(*block, name=f"block{number}"))
            else:
                for layer in block:
                    layer.name = f"block{number}_{layer.name}"
                layers += block
            n_in, number = n_out, number + 1
    layers += [*_convolved(n_in, HEAD, 1, 1, 1, "head"), ReLU6(name="head_relu")]
    layers += [GlobalAveragePool2D(name="mean"), Dense(HEAD, CLASSES, name="scores")]
    return Sequential(*layers)


def _block(n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> list[Layer]:
    """Expand to many channels, convolve each by itself, project to few."""
    wide, layers = n_in * expansion, []
    if expansion > 1:
        layers += [*_convolved(n_in, wide, 1, 1, 1, "expand"), ReLU6(name="expand_relu")]
    layers += [*_convolved(wide, wide, kernel, stride, wide, "depthwise")]
    return [*layers, ReLU6(name="depthwise_relu"), *_convolved(wide, n_out, 1, 1, 1, "project")]


def _convolved(
    n_in: int, n_out: int, kernel: int, stride: int, groups: int, name: str
) -> list[Layer]:
    """A convolution that keeps the image's size, or halves it, and its normalisation."""
    # In place of the kernel's own k // 2 zeros above, one less and one row of weights of 0.
    size, padding = (kernel, kernel // 2) if stride == 1 else (kernel + 1, kernel // 2)
    convolution = Convolution2D(
        n_in, n_out, size, stride=stride, padding=padding, groups=groups, name=name
    )
    return [convolution, BatchNorm(n_out, epsilon=EPSILON, name=f"{name}_norm")]


def widened(W: Array) -> Array:
    """W[out, in, k, k] with a first row and a first column of zeros: [out, in, k + 1, k + 1]."""
    return np.pad(W, [(0, 0), (0, 0), (1, 0), (1, 0)])
