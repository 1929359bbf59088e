from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.layers import (
    AveragePool2D,
    Convolution2D,
    Dense,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
)
from byhand.layers.residual import Residual
from byhand.views.projection import back_to_pixels
from byhand.views.receptive_field import ReceptiveField, receptive_field

IMAGE = (97, 89)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def window_layers(draw: Any) -> Layer:
    kernel, stride = draw(pairs), draw(pairs)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if draw(st.booleans()):
        return AveragePool2D(kernel, stride, padding)
    return Convolution2D(1, 1, kernel, stride=stride, padding=padding, dilation=draw(pairs))


@settings(max_examples=40, deadline=None)
@given(st.lists(window_layers(), min_size=1, max_size=3), st.data())
def test_it_is_where_the_gradient_is_not_zero(layers: list[Layer], data: Any) -> None:
    """With weights of 1 all that a unit sees has a part in its gradient, and nothing else."""
    _, rows, columns = Sequential(*layers).output_shape((1, *IMAGE))
    for layer in layers:
        if isinstance(layer, Convolution2D):
            layer.initialize(0).W[:] = 1
    position = (data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1)))
    field = receptive_field(layers, IMAGE)
    (sent,) = back_to_pixels(
        "gradient", layers, np.zeros((1, 1, *IMAGE)), np.array([0]), np.array([position])
    )
    for axis in (0, 1):
        seen = np.flatnonzero(sent[0].any(axis=1 - axis))
        first = field.corner(position)[axis]
        last = first + field.size[axis] - 1
        inside = max(first, 0), min(last, IMAGE[axis] - 1)
        # A dilated window can have its ends in the padding and a gap inside.
        assert inside[0] <= seen.min()
        assert seen.max() <= inside[1]
        dilated = any(max(layer.windows.dilation) > 1 for layer in layers)
        if not dilated or (first >= 0 and last < IMAGE[axis]):
            assert (seen.min(), seen.max()) == inside


def test_the_network_of_the_chapter() -> None:
    """Two convolutions of 5 x 5 with a pooling by 2 after each: by hand."""
    layers = [Convolution2D(1, 2, 5), MaxPool2D(2), ReLU(), Convolution2D(2, 2, 5), MaxPool2D(2)]
    fields = [receptive_field(layers[: k + 1], (28, 28)) for k in range(5)]
    assert [field.size for field in fields] == [(5, 5), (6, 6), (6, 6), (14, 14), (16, 16)]
    assert [field.step for field in fields] == [(1, 1), (2, 2), (2, 2), (2, 2), (4, 4)]
    assert fields[-1].corner((3, 1)) == (12, 4)


@pytest.mark.parametrize("layer", [Flatten(), Dense(9, 2), LayerNorm(3)])
def test_a_layer_that_mixes_all_pixels_sees_the_whole_image(layer: Layer) -> None:
    field = receptive_field([Convolution2D(1, 1, 2), layer, Sigmoid()], (4, 6))
    assert field == ReceptiveField((4, 6), (0, 0), (0, 0))
    image = np.arange(24.0).reshape(1, 4, 6)
    np.testing.assert_array_equal(field.cut(image, (0, 1)), image)


def test_outside_of_the_image_there_are_the_zeros_of_the_padding() -> None:
    image = np.arange(1.0, 61).reshape(2, 5, 6)
    field = ReceptiveField(size=(3, 4), step=(2, 2), first=(-1, -1))
    padded = np.pad(image, [(0, 0), (4, 4), (4, 4)])
    for p, q in np.ndindex(3, 3):
        top, left = 2 * p - 1, 2 * q - 1
        expected = padded[:, top + 4 : top + 7, left + 4 : left + 8]
        np.testing.assert_array_equal(field.cut(image, (p, q)), expected)


def test_a_residual_block_sees_what_its_layers_see_and_the_pixel_itself() -> None:
    inner = Convolution2D(1, 1, 3, padding=1).initialize(0)
    first = Convolution2D(1, 1, 2).initialize(0)
    first.W[:] = inner.W[:] = 1
    layers = [first, Residual(inner)]
    field = receptive_field(layers, (9, 9))
    assert field == ReceptiveField((4, 4), (1, 1), (-1, -1))
    (sent,) = back_to_pixels(
        "gradient", layers, np.zeros((1, 1, 9, 9)), np.array([0]), np.array([[4, 3]])
    )
    assert np.flatnonzero(sent[0].any(axis=1)).tolist() == [3, 4, 5, 6]
    assert np.flatnonzero(sent[0].any(axis=0)).tolist() == [2, 3, 4, 5]
    narrow = Convolution2D(1, 1, 1, padding=0).initialize(0)
    assert receptive_field([first, Residual(narrow)], (9, 9)).size == (2, 2)
