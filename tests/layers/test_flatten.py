from __future__ import annotations

import numpy as np
import pytest

from byhand.errors import ShapeError
from byhand.layers import Flatten

from .peer import assert_same, autograd


def test_elements_stay_in_row_order() -> None:
    y, cache = Flatten().forward(np.arange(12.0).reshape(2, 3, 2))
    assert y.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    dx, _ = Flatten().backward(y, cache)
    assert dx.tolist() == np.arange(12.0).reshape(2, 3, 2).tolist()


@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 1, 3, 2), (1, 7), (0, 3, 2)])
def test_outputs_and_gradients_are_pytorchs(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    y, cache = Flatten().forward(x)
    dy = rng.standard_normal(y.shape)
    features = int(np.prod(shape[1:]))
    theirs, (their_dx,) = autograd(lambda x: x.reshape(len(x), features), dy, x)
    assert_same(y, theirs)
    assert_same(Flatten().backward(dy, cache)[0], their_dx)
    assert Flatten().output_shape(shape[1:]) == (features,)


def test_a_gradient_of_the_wrong_shape() -> None:
    _, cache = Flatten().forward(np.ones((2, 3, 2)))
    with pytest.raises(ShapeError) as error:
        Flatten(name="flat").backward(np.ones((2, 5)), cache)
    assert str(error.value) == (
        'Flatten "flat": dy has shape (2, 5), expected (2, 6) (y = x as [batch, features])'
    )
