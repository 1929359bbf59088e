"""Windows that slide over an image: what convolution and pooling have in common.

Window (p, q) has its upper left corner on pixel (s p, s q) of the padded image x̂, and element
(i, j) of its kernel lies on pixel (s p + d i, s q + d j), for the stride s and the dilation d:

    windows[…, i, j, p, q] = x̂[…, s p + d i, s q + d j]

Derivative      A window holds copies of pixels, and the gradient of a pixel is the sum of those of
                its copies: each window's gradient is added where the window was cut out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from byhand.errors import InputError, ShapeError
from byhand.layers.base import Array, Layer, Shape

Pair = tuple[int, int]
"""Of height and width."""
IMAGES = ("batch", "channels", "height", "width")


@dataclass(frozen=True)
class Windows:
    """Where the windows lie on an image; `windows` makes one from a layer's arguments."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def extent(self) -> Pair:
        """How many rows and columns a window spans: d (k − 1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def count(self, size: Pair) -> Pair:
        """How many windows an image of this height and width has: ⌊(size + 2p − extent) / s⌋ + 1.

        Below 1 where not even one window fits.
        """
        ways = zip(size, self.padding, self.extent, self.stride, strict=True)
        rows, columns = ((n + 2 * p - extent) // s + 1 for n, p, extent, s in ways)
        return rows, columns

    def cut(self, x: Array, border: float = 0.0) -> Array:
        """x[…, height, width] -> windows[…, i, j, p, q], a view of x with its border."""
        (sh, sw), (ph, pw), (dh, dw) = self.stride, self.padding, self.dilation
        if ph or pw:
            around = [(0, 0)] * (x.ndim - 2) + [(ph, ph), (pw, pw)]
            x = np.pad(x, around, constant_values=border)
        at_every_pixel = np.lib.stride_tricks.sliding_window_view(x, self.extent, axis=(-2, -1))
        windows = at_every_pixel[..., ::sh, ::sw, ::dh, ::dw]
        return np.moveaxis(windows, (-2, -1), (-4, -3))

    def add_back(self, dwindows: Array, size: Pair) -> Array:
        """dwindows[…, i, j, p, q] -> dx[…, height, width], the derivative of `cut`."""
        (sh, sw), (ph, pw), (dh, dw) = self.stride, self.padding, self.dilation
        height, width = size
        *others, kh, kw, rows, columns = dwindows.shape
        dx = np.zeros((*others, height + 2 * ph, width + 2 * pw), dwindows.dtype)
        for i in range(kh):
            for j in range(kw):
                down = slice(dh * i, dh * i + sh * rows, sh)
                right = slice(dw * j, dw * j + sw * columns, sw)
                dx[..., down, right] += dwindows[..., i, j, :, :]
        return dx[..., ph : ph + height, pw : pw + width]

    def settings(self, *names: str) -> dict[str, float]:
        """These of the four as numbers by name: kernel_height, kernel_width, …"""
        numbers: dict[str, float] = {}
        for name in names:
            numbers[f"{name}_height"], numbers[f"{name}_width"] = getattr(self, name)
        return numbers


def windows(layer: Layer, **arguments: int | Sequence[int]) -> Windows:
    """The windows of a layer made with these arguments; one number is both height and width.

    Raises      InputError, which names the layer and the argument.
    """
    pairs: dict[str, Pair] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    for name, value in arguments.items():
        least = 0 if name == "padding" else 1
        pair = (value, value) if isinstance(value, int) else tuple(value)
        if len(pair) != 2 or min(pair) < least:
            raise InputError(
                f"{layer}: {name} is at least {least}, one number or a pair (height, width); "
                f"found {value}"
            )
        pairs[name] = pair
    return Windows(**pairs)


def image_size(layer: Layer, example: Shape) -> Pair:
    """Height and width of an example of x.

    Raises      ShapeError where it is not an image.
    """
    if len(example) != 3:
        raise ShapeError(
            f"{layer}: an example of x has shape {example}, expected [channels, height, width] "
            f"({layer.equation}); put it before Flatten(), and give a single channel its axis"
        )
    return example[1], example[2]


def count_windows(layer: Layer, cut: Windows, example: Shape) -> Pair:
    """How many windows there are on an example of x, by rows and by columns.

    Raises      ShapeError where it is not an image, or too small for a window.
    """
    size = image_size(layer, example)
    rows, columns = cut.count(size)
    if min(rows, columns) < 1:
        height, width = (n + 2 * p for n, p in zip(size, cut.padding, strict=True))
        padded = " with its padding" if max(cut.padding) else ""
        raise ShapeError(
            f"{layer}: an image{padded} is {height} x {width}, the kernel spans "
            f"{cut.extent[0]} x {cut.extent[1]} ({layer.equation}); "
            "make the kernel smaller or the padding larger"
        )
    return rows, columns


def check_gradient(layer: Layer, symbol: str, dy: Array, expected: Shape) -> None:
    """Raise where a gradient has not the shape of the output it belongs to."""
    layer.check(**{symbol: dy})
    if dy.shape != expected:
        raise ShapeError(
            f"{layer}: {symbol} has shape {dy.shape}, expected {expected} ({layer.equation})"
        )
