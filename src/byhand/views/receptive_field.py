"""Which pixels a unit sees, followed through the layers exactly.

A window of a layer spans e units of the layer below and moves by s of them, with p units of padding
in front. If these see n pixels each, lie m pixels apart and begin at pixel f, then a unit of the
layer sees n + (e − 1) m pixels, units lie s m pixels apart, and the first begins at f − p m.

Source      Dumoulin, Visin, A guide to convolution arithmetic for deep learning (2016), for one
            layer; Araujo, Norris, Sim, Computing receptive fields of convolutional neural networks
            (2019), equations 1 to 3, for many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.layers import (
    AveragePool2D,
    BatchNorm,
    Convolution2D,
    Dropout,
    Layer,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Tanh,
)
from byhand.layers.residual import Residual
from byhand.models.efficientnet_lite import ReLU6

Array = NDArray[Any]
Pair = tuple[int, int]
WINDOWS = (AveragePool2D, Convolution2D, MaxPool2D)
ONE_BY_ONE = (BatchNorm, Dropout, ReLU, ReLU6, Sigmoid, Tanh)
"""Layers in which a unit sees the one unit below it; in all others it may see all of them."""


@dataclass(frozen=True)
class ReceptiveField:
    """Unit (p, q) sees `size` pixels from pixel first + step · (p, q) on, by rows and columns.

    Some of them lie outside of the image, where padding has zeros.
    """

    size: Pair = (1, 1)
    step: Pair = (1, 1)
    first: Pair = (0, 0)

    def below(self, layer: Layer, image: Pair) -> ReceptiveField:
        """The field of the units of a layer on top of these."""
        if isinstance(layer, ONE_BY_ONE):
            return self
        if isinstance(layer, Residual):
            return self._and(receptive_field(layer.layers, image, self))
        if not isinstance(layer, WINDOWS):
            return ReceptiveField(image, (0, 0), (0, 0))
        w, both = layer.windows, (0, 1)
        sizes = [self.size[k] + (w.extent[k] - 1) * self.step[k] for k in both]
        steps = [w.stride[k] * self.step[k] for k in both]
        firsts = [self.first[k] - w.padding[k] * self.step[k] for k in both]
        return ReceptiveField(*((pair[0], pair[1]) for pair in (sizes, steps, firsts)))

    def _and(self, other: ReceptiveField) -> ReceptiveField:
        """What two units at the same position see together, in layers of the same step."""
        both = (0, 1)
        first = [min(self.first[k], other.first[k]) for k in both]
        ends = [max(f.first[k] + f.size[k] for f in (self, other)) for k in both]
        size = (ends[0] - first[0], ends[1] - first[1])
        return ReceptiveField(size, other.step, (first[0], first[1]))

    def corner(self, position: Pair) -> Pair:
        """The first pixel that the unit at this position sees; outside of the image, maybe."""
        top, left = (f + s * p for f, s, p in zip(self.first, self.step, position, strict=True))
        return top, left

    def cut(self, image: Array, position: Pair) -> Array:
        """What the unit at this position sees, with zeros outside of the image; the whole image,
        where the field is as large.

        Shapes      image[channels, height, width] -> [channels, rows, columns]
        """
        size = image.shape[1:]
        if all(n >= whole for n, whole in zip(self.size, size, strict=True)):
            return image
        channels, (rows, columns) = len(image), self.size
        patch = np.zeros((channels, rows, columns), image.dtype)
        top, left = self.corner(position)
        up, on = max(top, 0), max(left, 0)
        seen = image[:, up : top + rows, on : left + columns]
        patch[:, up - top : up - top + seen.shape[1], on - left : on - left + seen.shape[2]] = seen
        return patch


def receptive_field(
    layers: Sequence[Layer], image: Pair, field: ReceptiveField = ReceptiveField()
) -> ReceptiveField:
    """The field of the units of the last of these layers, on an image of this height and width;
    the first of them is on units with the given field."""
    for layer in layers:
        field = field.below(layer, image)
    return field
