"""The convolutional layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError, ShapeError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.windows import check_gradient, count_windows, image_size, windows
from byhand.randomness import stream


class Convolution2D(Layer):
    """z = x ⋆ W + b: the same small Dense layer on every window of an image.

    Shapes      x[batch, in, height, width]   W[out, in/groups, kh, kw]   b[out]
                z[batch, out, rows, columns]  rows = ⌊(height + 2 padding − extent) / stride⌋ + 1,
                                              extent = dilation (kh − 1) + 1; columns alike

    With x̂ for x in a border of zeros as wide as the padding, s for the stride, d for the dilation:

        z[n, o, p, q] = Σ_cij W[o, c, i, j] x̂[n, c, s p + d i, s q + d j] + b[o]

    Groups cut the channels into as many parts: the outputs of one part see the inputs of that part
    only, and c counts within it. (Strictly it is a cross-correlation, since the kernel is not
    turned; all frameworks call it convolution.)

    Derivatives, given dz = ∂L/∂z. Each product W[o, c, i, j] x̂[n, c, u, v] of the sum is there for
    one window (p, q), the one with u = s p + d i and v = s q + d j, and has the factor 1 in z:

        ∂L/∂W[o, c, i, j]    = Σ_npq dz[n, o, p, q] x̂[n, c, s p + d i, s q + d j]
        ∂L/∂b[o]             = Σ_npq dz[n, o, p, q]
        ∂L/∂x̂[n, c, u, v]    = Σ dz[n, o, p, q] W[o, c, i, j]   over o and all i, j, p, q with
                                                                s p + d i = u,  s q + d j = v

    The weight is shared by all windows, so dW sums over them: it is a convolution of x̂ with dz as
    the kernel, in which stride and dilation have changed places. A pixel is shared by all windows
    that it lies in, so dx sums over those. For s = 1 its conditions are p = u − d i, q = v − d j:

        ∂L/∂x̂[n, c, u, v]    = Σ_oij W[o, c, i, j] dz[n, o, u − d i, v − d j]

    The indices of dz *fall* with i and j. Count i and j from the other end, i' = kh − 1 − i, and
    they rise: it is a convolution again, of dz in a border of d (k − 1) zeros, with the kernel
    turned by 180° and in and out exchanged. For s > 1 the windows between, which were skipped,
    have dz = 0: put s − 1 zeros between neighbours in dz, and it is the same. The code does the
    sum from the other side, at less cost: it adds each window's gradient where the window was.

    With every window as a column of a matrix (im2col) and every filter as a row it is Dense, the
    factors the other way round:

        z  = W columns + b                              [out, in kh kw] [in kh kw, rows columns]
        dW = Σ_batch dz columnsᵀ                        [out, in/groups, kh, kw]
        db = Σ_batch,rows,columns dz                    [out]
        dx = Wᵀ dz, added back window by window         [batch, in, height, width]

    Source      LeCun et al., Backpropagation applied to handwritten zip code recognition (1989);
                Dumoulin, Visin, A guide to convolution arithmetic for deep learning (2016), ch. 4.
    """

    equation = "z = x ⋆ W + b"
    axes = {
        "x": ("batch", "in", "height", "width"),
        "W": ("out", "in/groups", "kernel_height", "kernel_width"),
        "b": ("out",),
        "z": ("batch", "out", "rows", "columns"),
    }
    parameter_names = ("W", "b")
    weights = ("W",)

    W: Array
    b: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
        biases: Initializer = Zeros(),
    ) -> None:
        super().__init__(name=name)
        if n_in < 1 or n_out < 1:
            raise InputError(f"{self}: sizes are at least 1, found in = {n_in}, out = {n_out}")
        if groups < 1 or n_in % groups or n_out % groups:
            raise InputError(
                f"{self}: groups divides both in and out, found groups = {groups}, "
                f"in = {n_in}, out = {n_out}"
            )
        self.sizes = {"in": n_in, "out": n_out}
        self.groups = groups
        self.windows = windows(
            self, kernel=kernel, stride=stride, padding=padding, dilation=dilation
        )
        self.weight_initializer = weights
        self.bias_initializer = biases

    @property
    def settings(self) -> dict[str, float]:
        pairs = self.windows.settings("kernel", "stride", "padding", "dilation")
        return {**pairs, "groups": self.groups}

    def forward(self, x: Array) -> tuple[Array, Array]:
        self.check(x=x)
        shape = self.output_shape(x.shape[1:])
        z = self._rows(self.W) @ self._columns(x)
        return z.reshape(len(x), *shape) + self.b[:, None, None], x

    def backward(self, dz: Array, x: Array) -> tuple[Array, Gradients]:
        self.check(x=x, dz=dz)
        check_gradient(self, "dz", dz, (len(x), *self.output_shape(x.shape[1:])))
        (kh, kw), (batch, n_out, rows, columns) = self.windows.kernel, dz.shape
        errors = dz.reshape(batch, self.groups, n_out // self.groups, rows * columns)
        dW = (errors @ self._columns(x).swapaxes(-1, -2)).sum(axis=0)
        db = dz.sum(axis=(0, 2, 3))
        dcolumns = self._rows(self.W).swapaxes(-1, -2) @ errors
        dwindows = dcolumns.reshape(*x.shape[:2], kh, kw, rows, columns)
        dx = self.windows.add_back(dwindows, image_size(self, x.shape[1:]))
        return dx, {"W": dW.reshape(self.W.shape), "b": db}

    def _columns(self, x: Array) -> Array:
        """Every window as a column: [batch, groups, in/groups · kh · kw, rows · columns]."""
        cut = self.windows.cut(x)
        batch, n_in, kh, kw, rows, columns = cut.shape
        return cut.reshape(batch, self.groups, n_in // self.groups * kh * kw, rows * columns)

    def _rows(self, W: Array) -> Array:
        """Every filter as a row: [groups, out/groups, in/groups · kh · kw]."""
        return W.reshape(self.groups, len(W) // self.groups, -1)

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Convolution2D:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        (kh, kw), n_in, n_out = self.windows.kernel, self.sizes["in"], self.sizes["out"]
        fan_in, fan_out = (n // self.groups * kh * kw for n in (n_in, n_out))
        shape = (n_out, n_in // self.groups, kh, kw)
        self.W = self.weight_initializer.draw(rng, shape, fan_in, fan_out, dtype)
        self.b = self.bias_initializer.draw(rng, (n_out,), fan_in, fan_out, dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        rows, columns = count_windows(self, self.windows, input_shape)
        if input_shape[0] != self.sizes["in"]:
            raise ShapeError(
                f"{self}: an example of x has in = {input_shape[0]}, the layer expects in = "
                f"{self.sizes['in']} ({self.equation})"
            )
        return self.sizes["out"], rows, columns


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = Convolution2D(
        2, 4, (2, 3), stride=(2, 1), padding=1, dilation=(1, 2), groups=2, biases=NormalFanIn()
    ).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((3, 2, 5, 6))}
