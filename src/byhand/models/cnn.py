"""The convolutional network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import Convolution2D, Dense, Dropout, Flatten, Layer, MaxPool2D, Sequential
from byhand.models.choices import ACTIVATIONS, OUTPUTS, check_choices


def cnn(
    channels: Sequence[int],
    hidden: Sequence[int],
    outputs: int,
    *,
    image: Sequence[int] = (1, 28, 28),
    kernel: int = 5,
    pool: int = 2,
    activation: str = "relu",
    output: str | None = None,
    dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """Convolutions with max pooling, then dense layers: `cnn([20, 40], [100], 10)`.

    channels        of each convolution's output; a pooling layer and an activation follow each
    hidden          units of each dense layer but the last
    outputs         units of the last
    image           an example's shape, [channels, height, width]
    kernel, pool    height and width of the kernels and of the pooling windows
    activation      after each pooling layer and each hidden layer: sigmoid, tanh or relu
    output          after the last layer: None (scores, for a loss "with logits"), sigmoid, tanh or
                    softmax
    dropout         share dropped in training of the inputs of each dense layer, the last included
    weights, biases how the parameters start

    The activation comes after the pooling, on a quarter of the numbers and with the same result:
    it never falls, so the activation of the largest is the largest of the activations.

    The convolutions are named filters1, filters2, …, the dense layers hidden1, …, output.
    Source          Nielsen, Neural Networks and Deep Learning, ch. 6 and its network3.py.
    Raises          InputError, which names the argument; ShapeError where the image becomes smaller
                    than a window.
    """
    check_choices(activation, output)
    _check_sizes(channels=channels, hidden=[*hidden, outputs], image=image)
    layers: list[Layer] = []
    shape = tuple(image)
    for k, (n_in, n_out) in enumerate(pairwise([image[0], *channels]), start=1):
        filters = Convolution2D(
            n_in, n_out, kernel, name=f"filters{k}", weights=weights, biases=biases
        )
        block = [filters, MaxPool2D(pool), ACTIVATIONS[activation]()]
        for layer in block:
            shape = layer.output_shape(shape)
        layers += block
    layers.append(Flatten())
    sizes = [math.prod(shape), *hidden, outputs]
    for k, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        last = k == len(sizes) - 1
        if dropout:
            layers.append(Dropout(dropout))
        name = "output" if last else f"hidden{k}"
        layers.append(Dense(n_in, n_out, name=name, weights=weights, biases=biases))
        if not last:
            layers.append(ACTIVATIONS[activation]())
    if output is not None:
        layers.append(OUTPUTS[output]())
    return Sequential(*layers)


def _check_sizes(channels: Sequence[int], hidden: Sequence[int], image: Sequence[int]) -> None:
    if len(channels) < 1:
        raise InputError("channels needs one entry or more, such as [20, 40]; found none")
    if min(*channels, *hidden, *image) < 1 or len(image) != 3:
        raise InputError(
            "channels, hidden, outputs and image (channels, height, width) are at least 1; found "
            f"channels = {list(channels)}, hidden and outputs = {list(hidden)}, "
            f"image = {list(image)}"
        )
