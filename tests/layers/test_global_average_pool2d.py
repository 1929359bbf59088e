from __future__ import annotations

import numpy as np
import pytest

from byhand.errors import ShapeError
from byhand.layers import AveragePool2D, GlobalAveragePool2D

from .peer import assert_same, autograd


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((5, 3, 4, 6)), rng.standard_normal((5, 3))
    y, cache = GlobalAveragePool2D().forward(x)
    dx, gradients = GlobalAveragePool2D().backward(dy, cache)
    theirs, (their_dx,) = autograd(lambda x: x.mean(dim=(2, 3)), dy, x)
    assert_same(y, theirs)
    assert_same(dx, their_dx)
    assert gradients == {}
    dx += 1  # an array of its own, not a view of a few numbers


def test_it_is_average_pooling_with_one_window() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3, 4, 6))
    assert_same(
        GlobalAveragePool2D().forward(x)[0], AveragePool2D((4, 6)).forward(x)[0][:, :, 0, 0]
    )


def test_wrong_shapes() -> None:
    layer = GlobalAveragePool2D(name="mean")
    assert layer.output_shape((3, 4, 6)) == (3,)
    with pytest.raises(ShapeError) as error:
        layer.output_shape((72,))
    assert str(error.value) == (
        'GlobalAveragePool2D "mean": an example of x has shape (72,), expected [channels, height, '
        "width] (y = mean of x over height and width); put it before Flatten(), and give a single "
        "channel its axis"
    )
    _, cache = layer.forward(np.ones((5, 3, 4, 6)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones((5, 1)), cache)
    assert str(error.value) == (
        'GlobalAveragePool2D "mean": dy has shape (5, 1), expected (5, 3) '
        "(y = mean of x over height and width)"
    )
