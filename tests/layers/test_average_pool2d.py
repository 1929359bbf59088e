from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from byhand.errors import InputError, ShapeError
from byhand.layers import AveragePool2D, Convolution2D
from byhand.layers.definitions import average_pool2d, average_pool2d_backward

from .peer import assert_same, autograd


def test_a_computation_done_by_hand() -> None:
    x = np.array([[[[1.0, 2.0, 5.0, 4.0], [3.0, 0.0, -1.0, 0.0]]]])
    y, cache = AveragePool2D(2).forward(x)
    assert y.tolist() == [[[[1.5, 2]]]]
    dx, gradients = AveragePool2D(2).backward(np.array([[[[4.0, 8.0]]]]), cache)
    assert dx.tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]
    assert gradients == {}


def test_the_zeros_of_the_border_count() -> None:
    y, _ = AveragePool2D(2, padding=1).forward(np.full((1, 1, 2, 2), 8.0))
    assert y.tolist() == [[[[2, 2], [2, 2]]]]


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_it_is_the_definition_and_pytorchs(
    size: Any, kernel: Any, stride: Any, padding: Any
) -> None:
    assume(all(2 * p <= k for p, k in zip(padding, kernel, strict=True)))
    layer = AveragePool2D(kernel, stride, padding)
    assume(min(layer.windows.count(size)) >= 1)
    rng = np.random.default_rng([*size, *kernel])
    x = rng.standard_normal((2, 3, *size))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx, _ = layer.backward(dy, cache)

    assert_same(y, average_pool2d(x, layer.windows))
    assert_same(dx, average_pool2d_backward(dy, x.shape, layer.windows))
    theirs, (their_dx,) = autograd(
        lambda x: torch.nn.functional.avg_pool2d(x, kernel, stride, padding), dy, x
    )
    assert_same(y, theirs)
    assert_same(dx, their_dx)


def test_it_is_a_convolution_of_each_channel_with_equal_weights() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5, 6))
    filters = Convolution2D(3, 3, 2, stride=2, groups=3).initialize(0)
    filters.W[:] = 1 / 4
    assert_same(AveragePool2D(2).forward(x)[0], filters.forward(x)[0])


def test_settings_are_numbers_by_name() -> None:
    assert AveragePool2D((3, 2), stride=1, padding=(1, 0)).settings == {
        "kernel_height": 3,
        "kernel_width": 2,
        "stride_height": 1,
        "stride_width": 1,
        "padding_height": 1,
        "padding_width": 0,
    }


def test_wrong_arguments_and_shapes() -> None:
    with pytest.raises(InputError) as error:
        AveragePool2D(3, padding=2, name="pool")
    assert str(error.value) == (
        'AveragePool2D "pool": padding is at most half the kernel; '
        "found padding (2, 2), kernel (3, 3)"
    )
    with pytest.raises(ShapeError) as shape_error:
        AveragePool2D(3).output_shape((10,))
    assert str(shape_error.value) == (
        "AveragePool2D: an example of x has shape (10,), expected "
        "[channels, height, width] (y = mean over windows of x); put it before Flatten(), "
        "and give a single channel its axis"
    )
    _, cache = AveragePool2D(2).forward(np.ones((2, 3, 4, 6)))
    with pytest.raises(ShapeError) as shape_error:
        AveragePool2D(2).backward(np.ones((2, 3, 1, 1)), cache)
    assert str(shape_error.value) == (
        "AveragePool2D: dy has shape (2, 3, 1, 1), expected (2, 3, 2, 3) "
        "(y = mean over windows of x)"
    )
