"""How much arithmetic a model is."""

from __future__ import annotations

import math

from byhand.layers import Embedding, Sequential, Shape


def multiply_adds(model: Sequential, input_shape: Shape) -> list[int]:
    """Of each layer that multiplies by weights, for one example on the way forward: every weight is
    used once at every place of the output, be it a place of an image or a step of a sequence.

    input_shape     of one example
    """
    counts = []
    for layer in model.layers:
        input_shape = layer.output_shape(input_shape)
        weights = sum(getattr(layer, symbol).size for symbol in layer.weights)
        if weights and not isinstance(layer, Embedding):
            sequence = len(input_shape) == 2
            counts.append(weights * math.prod(input_shape[:1] if sequence else input_shape[1:]))
    return counts
