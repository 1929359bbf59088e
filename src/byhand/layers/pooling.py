"""What the pooling layers share: windows over each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence

from byhand.errors import InputError
from byhand.layers.base import Layer, Shape
from byhand.layers.windows import IMAGES, count_windows, windows


class Pooling(Layer):
    """One number for every window of each channel; which, is the kind of pooling.

    stride      by default the kernel's size: windows side by side
    Raises      InputError, also for a padding of more than half the kernel: there would be windows
                with no pixel of the image in them.
    """

    axes = {"x": IMAGES, "y": ("batch", "channels", "rows", "columns")}

    def __init__(
        self,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        stride = kernel if stride is None else stride
        self.windows = windows(self, kernel=kernel, stride=stride, padding=padding)
        if any(2 * p > k for p, k in zip(self.windows.padding, self.windows.kernel, strict=True)):
            raise InputError(
                f"{self}: padding is at most half the kernel; found padding "
                f"{self.windows.padding}, kernel {self.windows.kernel}"
            )

    @property
    def settings(self) -> dict[str, float]:
        return self.windows.settings("kernel", "stride", "padding")

    def output_shape(self, input_shape: Shape) -> Shape:
        rows, columns = count_windows(self, self.windows, input_shape)
        return input_shape[0], rows, columns
