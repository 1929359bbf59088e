from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from byhand.errors import InputError, ShapeError
from byhand.initializers import He, StandardNormal
from byhand.layers import Convolution2D
from byhand.layers.definitions import convolution2d, convolution2d_backward

from .peer import assert_same, autograd

NORMAL = {"weights": StandardNormal(), "biases": StandardNormal()}


def pair(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


def filters(name: str = "filters") -> Convolution2D:
    return Convolution2D(3, 4, 5, name=name).initialize(0)


def test_a_computation_done_by_hand() -> None:
    layer = Convolution2D(1, 1, (1, 2)).initialize(0)
    layer.W, layer.b = np.array([[[[2.0, 3.0]]]]), np.array([100.0])
    x = np.array([[[[1.0, 10.0, 5.0], [0.0, 1.0, 2.0]]]])
    z, cache = layer.forward(x)
    assert z.tolist() == [[[[132, 135], [103, 108]]]]
    dx, gradients = layer.backward(np.array([[[[1.0, 10.0], [0.0, 100.0]]]]), cache)
    assert dx.tolist() == [[[[2, 23, 30], [0, 200, 300]]]]
    assert gradients["W"].tolist() == [[[[1 + 100 + 100, 10 + 50 + 200]]]]
    assert gradients["b"].tolist() == [111]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    inputs=st.integers(1, 2),
    outputs=st.integers(1, 3),
    groups=st.integers(1, 3),
    size=pair(1, 9),
    kernel=pair(1, 4),
    stride=pair(1, 3),
    padding=pair(0, 3),
    dilation=pair(1, 3),
)
def test_it_is_the_definition_and_pytorchs(
    batch: int, inputs: int, outputs: int, groups: int, size: Any, **options: Any
) -> None:
    layer = Convolution2D(inputs * groups, outputs * groups, groups=groups, **options, **NORMAL)
    windows = layer.windows
    assume(min(windows.count(size)) >= 1)
    rng = np.random.default_rng([batch, groups, *size])
    layer.initialize(rng)
    x = rng.standard_normal((batch, inputs * groups, *size))
    z, cache = layer.forward(x)
    dz = rng.standard_normal(z.shape)
    dx, gradients = layer.backward(dz, cache)
    found = [dx, gradients["W"], gradients["b"]]

    assert_same(z, convolution2d(x, layer.W, layer.b, windows, groups))
    for ours, looped in zip(
        found, convolution2d_backward(dz, x, layer.W, windows, groups), strict=True
    ):
        assert_same(ours, looped)

    same = {"stride": windows.stride, "padding": windows.padding, "dilation": windows.dilation}
    theirs, their_gradients = autograd(
        lambda x, W, b: torch.nn.functional.conv2d(x, W, b, groups=groups, **same),
        *(dz, x, layer.W, layer.b),
    )
    assert_same(z, theirs)
    for ours, their in zip(found, their_gradients, strict=True):
        assert_same(ours, their)


def turned(layer: Convolution2D, **options: Any) -> Convolution2D:
    """The convolution that sends the error back: kernel turned, in and out exchanged."""
    n_in, n_out = layer.sizes["in"], layer.sizes["out"]
    other = Convolution2D(n_out, n_in, layer.windows.kernel, **options).initialize(0)
    other.W = layer.W.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    return other


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 2), (2, 1), (3, 2)])
def test_the_inputs_gradient_is_a_convolution_with_the_turned_kernel(
    stride: int, dilation: int
) -> None:
    """Of dz with stride − 1 zeros between its elements, in a border of dilation (k − 1) zeros."""
    rng = np.random.default_rng(0)
    layer = Convolution2D(2, 3, (3, 2), stride=stride, dilation=dilation, **NORMAL).initialize(1)
    extent = layer.windows.extent
    x = rng.standard_normal((4, 2, extent[0] + 3 * stride, extent[1] + 4 * stride))
    z, cache = layer.forward(x)
    dz = rng.standard_normal(z.shape)
    spread = np.zeros((4, 3, 3 * stride + 1, 4 * stride + 1))
    spread[:, :, ::stride, ::stride] = dz
    border = (extent[0] - 1, extent[1] - 1)
    back = turned(layer, padding=border, dilation=dilation)
    assert_same(layer.backward(dz, cache)[0], back.forward(spread)[0])


def test_the_weights_gradient_is_a_convolution_with_stride_and_dilation_exchanged() -> None:
    rng = np.random.default_rng(0)
    layer = Convolution2D(2, 3, (3, 2), stride=(2, 1), dilation=(1, 3)).initialize(1)
    x = rng.standard_normal((4, 2, 7, 8))
    z, cache = layer.forward(x)
    dz = rng.standard_normal(z.shape)
    # The batch is what is summed over, so it stands where the input channels were.
    other = Convolution2D(4, 3, z.shape[2:], stride=(1, 3), dilation=(2, 1)).initialize(0)
    other.W = dz.transpose(1, 0, 2, 3)
    dW, _ = other.forward(x.transpose(1, 0, 2, 3))
    assert_same(layer.backward(dz, cache)[1]["W"], dW.transpose(1, 0, 2, 3))


def test_groups_are_convolutions_side_by_side() -> None:
    rng = np.random.default_rng(0)
    layer = Convolution2D(4, 6, 3, groups=2, **NORMAL).initialize(1)
    x = rng.standard_normal((2, 4, 5, 6))
    parts = []
    for g in range(2):
        part = Convolution2D(2, 3, 3).initialize(0)
        part.W, part.b = layer.W[3 * g : 3 * g + 3], layer.b[3 * g : 3 * g + 3]
        parts.append(part.forward(x[:, 2 * g : 2 * g + 2])[0])
    assert_same(layer.forward(x)[0], np.concatenate(parts, axis=1))


def test_a_kernel_of_one_pixel_is_a_dense_layer_on_every_pixel() -> None:
    rng = np.random.default_rng(0)
    layer = Convolution2D(3, 2, 1, **NORMAL).initialize(1)
    x = rng.standard_normal((4, 3, 5, 6))
    z, _ = layer.forward(x)
    assert_same(z[:, :, 2, 3], x[:, :, 2, 3] @ layer.W[:, :, 0, 0].T + layer.b)


def test_a_batch_of_no_images() -> None:
    layer = Convolution2D(4, 6, 3, groups=2).initialize(0)
    z, cache = layer.forward(np.ones((0, 4, 5, 6)))
    assert z.shape == (0, 6, 3, 4)
    dx, gradients = layer.backward(z, cache)
    assert dx.shape == (0, 4, 5, 6)
    assert not gradients["W"].any()


def test_settings_are_numbers_by_name() -> None:
    layer = Convolution2D(
        4, 6, (3, 2), stride=(1, 2), padding=(0, 1), dilation=(2, 1), groups=2, name="filters"
    )
    assert layer.settings == {
        "kernel_height": 3,
        "kernel_width": 2,
        "stride_height": 1,
        "stride_width": 2,
        "padding_height": 0,
        "padding_width": 1,
        "dilation_height": 2,
        "dilation_width": 1,
        "groups": 2,
    }
    assert layer.sizes == {"in": 4, "out": 6}


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            (2, 1, 28, 28),
            'Convolution2D "filters": x has in = 1, the layer expects in = 3 (z = x ⋆ W + b)',
        ),
        (
            (3, 28, 28),
            'Convolution2D "filters": x has shape (3, 28, 28), expected the axes '
            "x[batch, in, height, width] (z = x ⋆ W + b); "
            "for one image write x[None], for images of one channel x[:, None]",
        ),
        (
            (2, 784),
            'Convolution2D "filters": x has shape (2, 784), expected the axes '
            "x[batch, in, height, width] (z = x ⋆ W + b); "
            "give rows their axes: x.reshape(len(x), channels, height, width)",
        ),
        (
            (2, 3, 4, 9),
            'Convolution2D "filters": an image is 4 x 9, the kernel spans 5 x 5 '
            "(z = x ⋆ W + b); make the kernel smaller or the padding larger",
        ),
        (
            (2, 3, 4, 9, 1),
            'Convolution2D "filters": x has shape (2, 3, 4, 9, 1), expected the axes '
            "x[batch, in, height, width] (z = x ⋆ W + b)",
        ),
    ],
)
def test_an_input_of_the_wrong_shape(shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ShapeError) as error:
        filters().forward(np.ones(shape))
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            (784,),
            'Convolution2D "filters": an example of x has shape (784,), expected '
            "[channels, height, width] (z = x ⋆ W + b); put it before Flatten(), and give a single "
            "channel its axis",
        ),
        (
            (1, 28, 28),
            'Convolution2D "filters": an example of x has in = 1, the layer expects in = 3 '
            "(z = x ⋆ W + b)",
        ),
        (
            (3, 28, 4),
            'Convolution2D "filters": an image is 28 x 4, the kernel spans 5 x 5 '
            "(z = x ⋆ W + b); make the kernel smaller or the padding larger",
        ),
    ],
)
def test_the_output_shape_of_an_example_that_does_not_fit(shape: Any, text: str) -> None:
    assert filters().output_shape((3, 28, 5)) == (4, 24, 1)
    with pytest.raises(ShapeError) as error:
        filters().output_shape(shape)
    assert str(error.value) == text


def test_an_image_with_its_padding_and_a_dilated_kernel_are_told_in_full() -> None:
    with pytest.raises(ShapeError) as error:
        Convolution2D(1, 1, 3, padding=(1, 0), dilation=4).output_shape((1, 6, 28))
    assert str(error.value) == (
        "Convolution2D: an image with its padding is 8 x 28, the kernel spans 9 x 9 "
        "(z = x ⋆ W + b); make the kernel smaller or the padding larger"
    )


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((2, 4, 3, 3), "dz has shape (2, 4, 3, 3), expected (2, 4, 3, 4) (z = x ⋆ W + b)"),
        ((2, 3, 3, 4), "dz has out = 3, W expects out = 4 (z = x ⋆ W + b)"),
        ((1, 4, 3, 4), "dz has batch = 1, x has batch = 2 (z = x ⋆ W + b)"),
    ],
)
def test_a_gradient_of_the_wrong_shape(shape: tuple[int, ...], text: str) -> None:
    _, cache = filters().forward(np.ones((2, 3, 7, 8)))
    with pytest.raises(ShapeError) as error:
        filters().backward(np.ones(shape), cache)
    assert str(error.value) == f'Convolution2D "filters": {text}'


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_in": 0}, "sizes are at least 1, found in = 0, out = 4"),
        ({"groups": 2}, "groups divides both in and out, found groups = 2, in = 3, out = 4"),
        ({"groups": 0}, "groups divides both in and out, found groups = 0, in = 3, out = 4"),
        (
            {"kernel": 0},
            "kernel is at least 1, one number or a pair (height, width); found 0",
        ),
        (
            {"stride": (1, 0)},
            "stride is at least 1, one number or a pair (height, width); found (1, 0)",
        ),
        (
            {"padding": -1},
            "padding is at least 0, one number or a pair (height, width); found -1",
        ),
        (
            {"dilation": [1, 1, 1]},
            "dilation is at least 1, one number or a pair (height, width); found [1, 1, 1]",
        ),
    ],
)
def test_arguments_that_make_no_layer(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        Convolution2D(**{"n_in": 3, "n_out": 4, "kernel": 5, "name": "filters", **options})
    assert str(error.value) == f'Convolution2D "filters": {text}'


def test_weights_are_drawn_by_the_inputs_of_one_window() -> None:
    layer = Convolution2D(16, 32, 5, groups=2).initialize(0)
    assert layer.W.shape == (32, 8, 5, 5)
    assert layer.W.std() == pytest.approx(1 / np.sqrt(8 * 25), rel=0.03)
    assert layer.b.tolist() == [0.0] * 32
    layer = Convolution2D(16, 32, 5, weights=He(), biases=StandardNormal()).initialize(0)
    assert layer.W.std() == pytest.approx(np.sqrt(2 / (16 * 25)), rel=0.03)
    assert layer.b.std() == pytest.approx(1, rel=0.4)
    assert Convolution2D.weights == ("W",)
