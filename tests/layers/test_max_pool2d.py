from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from byhand.errors import InputError, ShapeError
from byhand.layers import MaxPool2D
from byhand.layers.definitions import max_pool2d, max_pool2d_backward

from .peer import assert_same, autograd


def test_a_computation_done_by_hand() -> None:
    x = np.array([[[[1.0, 2.0, 5.0, 4.0], [3.0, 0.0, -1.0, -2.0]]]])
    y, cache = MaxPool2D(2).forward(x)
    assert y.tolist() == [[[[3, 5]]]]
    dx, gradients = MaxPool2D(2).backward(np.array([[[[10.0, 20.0]]]]), cache)
    assert dx.tolist() == [[[[0, 0, 20, 0], [10, 0, 0, 0]]]]
    assert gradients == {}


def test_windows_that_overlap_add_up_at_a_pixel_they_share() -> None:
    x = np.array([[[[0.0, 9.0, 0.0]]]])
    y, cache = MaxPool2D((1, 2), stride=1).forward(x)
    assert y.tolist() == [[[[9, 9]]]]
    dx, _ = MaxPool2D((1, 2), stride=1).backward(np.array([[[[1.0, 10.0]]]]), cache)
    assert dx.tolist() == [[[[0, 11, 0]]]]


def test_of_several_largest_pixels_the_first_gets_all_of_the_gradient() -> None:
    x = np.array([[[[0.0, 7.0], [7.0, 7.0]]]])
    _, cache = MaxPool2D(2).forward(x)
    dx, _ = MaxPool2D(2).backward(np.array([[[[3.0]]]]), cache)
    assert dx.tolist() == [[[[0, 3], [0, 0]]]]


def test_the_border_is_never_the_largest() -> None:
    x = np.full((1, 1, 2, 2), -5.0)
    y, cache = MaxPool2D(2, padding=1).forward(x)
    assert y.tolist() == [[[[-5, -5], [-5, -5]]]]
    dx, _ = MaxPool2D(2, padding=1).backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), cache)
    assert dx.tolist() == [[[[1, 2], [3, 4]]]]


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    values=st.sampled_from([2, 1000]),
)
def test_it_is_the_definition_and_pytorchs(
    size: Any, kernel: Any, stride: Any, padding: Any, values: int
) -> None:
    """With ties in nearly every window, and in hardly any."""
    assume(all(2 * p <= k for p, k in zip(padding, kernel, strict=True)))
    layer = MaxPool2D(kernel, stride, padding)
    assume(min(layer.windows.count(size)) >= 1)
    rng = np.random.default_rng([*size, *kernel])
    x = rng.integers(-values, values, (2, 3, *size)).astype(float)
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx, _ = layer.backward(dy, cache)

    looped, switches = max_pool2d(x, layer.windows)
    assert_same(y, looped)
    assert_same(dx, max_pool2d_backward(dy, switches, x.shape))
    theirs, (their_dx,) = autograd(
        lambda x: torch.nn.functional.max_pool2d(x, kernel, stride, padding), dy, x
    )
    assert_same(y, theirs)
    assert_same(dx, their_dx)


def test_a_pixel_that_is_no_number_is_not_hidden() -> None:
    for place in range(4):
        x = np.arange(4.0)
        x[place] = np.nan
        y, cache = MaxPool2D(2).forward(x.reshape(1, 1, 2, 2))
        assert np.isnan(y).all()
        dx, _ = MaxPool2D(2).backward(np.ones((1, 1, 1, 1)), cache)
        assert dx.ravel().tolist() == [float(k == place) for k in range(4)]


def test_a_batch_of_no_images() -> None:
    y, cache = MaxPool2D(2).forward(np.ones((0, 3, 4, 6)))
    assert y.shape == (0, 3, 2, 3)
    assert MaxPool2D(2).backward(y, cache)[0].shape == (0, 3, 4, 6)


def test_settings_are_numbers_by_name() -> None:
    assert MaxPool2D((3, 2), padding=(1, 0)).settings == {
        "kernel_height": 3,
        "kernel_width": 2,
        "stride_height": 3,
        "stride_width": 2,
        "padding_height": 1,
        "padding_width": 0,
    }


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kernel": 0}, "kernel is at least 1, one number or a pair (height, width); found 0"),
        (
            {"kernel": 2, "stride": 0},
            "stride is at least 1, one number or a pair (height, width); found 0",
        ),
        (
            {"kernel": (2, 3), "padding": (1, 2)},
            "padding is at most half the kernel; found padding (1, 2), kernel (2, 3)",
        ),
    ],
)
def test_arguments_that_make_no_layer(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        MaxPool2D(**options, name="pool")
    assert str(error.value) == f'MaxPool2D "pool": {text}'


def test_wrong_shapes() -> None:
    layer = MaxPool2D(2, name="pool")
    with pytest.raises(ShapeError) as error:
        layer.forward(np.ones((5, 28, 28)))
    assert str(error.value) == (
        'MaxPool2D "pool": x has shape (5, 28, 28), expected the axes '
        "x[batch, channels, height, width] (y = max over windows of x); "
        "for one image write x[None], for images of one channel x[:, None]"
    )
    with pytest.raises(ShapeError) as error:
        layer.output_shape((3, 1, 4))
    assert str(error.value) == (
        'MaxPool2D "pool": an image is 1 x 4, the kernel spans 2 x 2 '
        "(y = max over windows of x); make the kernel smaller or the padding larger"
    )
    _, cache = layer.forward(np.ones((2, 3, 4, 6)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones((2, 3, 2, 2)), cache)
    assert str(error.value) == (
        'MaxPool2D "pool": dy has shape (2, 3, 2, 2), expected (2, 3, 2, 3) '
        "(y = max over windows of x)"
    )
