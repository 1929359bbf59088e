"""From a unit back to the pixels: the gradient, guided backpropagation, and the projection of
Zeiler and Fergus.

Each of them starts with a 1 at one unit and goes down through the layers to the image. A layer with
weights sends the signal through its own filters transposed, and max pooling puts it where its
switches say: both is what `backward` does to dy. The three part at the rectifiers alone:

    gradient                dz = da ⊙ [z > 0]               a change of z counts where z is on
    projection              dz = max(0, da)                 what is rebuilt is no less than 0, as
                                                            what it stands for is
    guided backpropagation  dz = max(0, da) ⊙ [z > 0]       both

The gradient answers which pixels would change the unit. The projection, from which nothing is
subtracted for units that were off, shows what pattern the unit has found. Both pictures depend on
the image: the first through the places where z > 0 and the switches, the second through the
switches.

The papers have rectifiers only. Here a sigmoid, whose output is not negative either, is taken for
one by the projection, and the signal passes through tanh, whose output has both signs, as it is;
guided backpropagation takes the derivative of either. A residual block, y = x + f(x), sends back
the signal as it is and what goes through f. Where pooling windows overlap, what they send to one
pixel is added.

Source      Zeiler, Fergus, arXiv 1311.2901, section 2.1; Simonyan, Vedaldi, Zisserman, arXiv
            1312.6034, sections 3 and 4; Springenberg et al., arXiv 1412.6806, section 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.layers import Layer, ReLU, Sigmoid, Tanh
from byhand.layers.residual import Residual
from byhand.models.efficientnet_lite import ReLU6

Array = NDArray[Any]
Step = Callable[[Layer, Array, Any], Array]


def derivative(layer: Layer, dy: Array, cache: Any) -> Array:
    """dx: the filters transposed, pooling's switches, an activation's slope."""
    return layer.backward(dy, cache)[0]


def rectified(layer: Layer, da: Array, cache: Any) -> Array:
    return np.maximum(da, 0)


def passed_on(layer: Layer, da: Array, cache: Any) -> Array:
    return da


def guided(layer: Layer, da: Array, cache: Any) -> Array:
    return derivative(layer, np.maximum(da, 0), cache)


STEPS: dict[str, dict[type[Layer], Step]] = {
    "gradient": {},
    "guided": {ReLU: guided, ReLU6: guided},
    "projection": {ReLU: rectified, ReLU6: rectified, Sigmoid: rectified, Tanh: passed_on},
}
"""By method and kind of layer: from dy to dx. A kind that is not named takes its derivative."""


def back_to_pixels(
    method: str, layers: Sequence[Layer], images: Array, units: Array, positions: Array
) -> Array:
    """What one unit of each image sends back to its pixels.

    method      of `STEPS`
    layers      from the image to the layer with the units
    units       [images]: a channel of that layer, or a number where it has no images of units
    positions   [images, 2]: the row and column of the unit; not looked at where there is none
    Shapes      images[images, channels, height, width] -> the same
    """
    caches, x = [], images
    for layer in layers:
        x, cache = layer.forward(x)
        caches.append(cache)
    signal = np.zeros_like(x)
    places = (np.arange(len(x)), units, *positions.T)[: x.ndim]
    signal[places] = 1
    return _send_back(STEPS[method], layers, caches, signal)


def _send_back(
    steps: dict[type[Layer], Step], layers: Sequence[Layer], caches: Sequence[Any], signal: Array
) -> Array:
    for layer, cache in zip(reversed(layers), reversed(caches), strict=True):
        if isinstance(layer, Residual):
            signal = signal + _send_back(steps, layer.layers, cache, signal)
        else:
            signal = steps.get(type(layer), derivative)(layer, signal, cache)
    return signal
