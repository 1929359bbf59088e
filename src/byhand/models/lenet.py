"""LeNet-5."""

from __future__ import annotations

from byhand.initializers import He
from byhand.layers import Convolution2D, Dense, Flatten, MaxPool2D, ReLU, Sequential


def lenet(outputs: int = 10) -> Sequential:
    """LeNet-5 in the form that is usual today: images of 1 x 28 x 28 to scores.

    The sizes are those of 1998: 6 and 16 filters of 5 x 5, then 120 and 84 units; with ten outputs
    61,706 parameters. What is different today: images are padded by 2 pixels, and not 32 x 32 from
    the start; a filter of the second convolution sees all 6 channels, and not those of a table;
    pooling takes the maximum, and not an average with a weight and a bias of its own; units are
    ReLUs that start as He et al. have it, and not a scaled tanh; outputs are scores, and not
    distances to a pattern. The layer of 120 units was called a convolution, whose kernel covers all
    that is left of the image.

    Source          LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document
                    recognition (1998), section II.B.
    """
    he = He()
    return Sequential(
        Convolution2D(1, 6, 5, padding=2, name="filters1", weights=he),
        MaxPool2D(2),
        ReLU(),
        Convolution2D(6, 16, 5, name="filters2", weights=he),
        MaxPool2D(2),
        ReLU(),
        Flatten(),
        Dense(16 * 5 * 5, 120, name="hidden1", weights=he),
        ReLU(),
        Dense(120, 84, name="hidden2", weights=he),
        ReLU(),
        Dense(84, outputs, name="output", weights=he),
    )
