from __future__ import annotations

from byhand.engines.work import multiply_adds
from byhand.layers import BatchNorm, Convolution2D, Dense, Flatten, MaxPool2D, ReLU, Sequential


def test_every_weight_is_used_once_at_every_place_of_the_output() -> None:
    model = Sequential(
        Convolution2D(2, 6, 3, padding=1, groups=2),
        BatchNorm(6),
        MaxPool2D(2),
        ReLU(),
        Convolution2D(6, 4, (2, 3), stride=2),
        Flatten(),
        Dense(16, 5),
    ).initialize(0)
    first = 6 * 1 * 3 * 3 * (8 * 10)
    second = 4 * 6 * 2 * 3 * (2 * 2)
    assert multiply_adds(model, (2, 8, 10)) == [first, second, 16 * 5]


def test_a_model_without_weights_has_no_products() -> None:
    assert multiply_adds(Sequential(Flatten(), ReLU()), (2, 3)) == []
