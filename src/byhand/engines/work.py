"""How much arithmetic a model is."""

from __future__ import annotations

import math

from byhand.layers import Sequential, Shape


def multiply_adds(model: Sequential, input_shape: Shape) -> list[int]:
    """Of each layer that has weights, for one example on the way forward: every weight is used once
    at every place of the output, and a dense layer's output has one place.

    input_shape     of one example
    """
    counts = []
    for layer in model.layers:
        input_shape = layer.output_shape(input_shape)
        weights = sum(getattr(layer, symbol).size for symbol in layer.weights)
        if weights:
            counts.append(weights * math.prod(input_shape[1:]))
    return counts
