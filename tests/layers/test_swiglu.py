from __future__ import annotations

import numpy as np
import pytest
from torch.nn import functional as F

from byhand.errors import InputError, ShapeError
from byhand.layers.swiglu import SwiGLU

from .peer import assert_same, autograd


@pytest.mark.parametrize("shape", [(1, 4), (5, 4), (2, 3, 4)])
def test_outputs_and_gradients_are_those_of_llamas_feed_forward_layer(
    shape: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(0)
    layer = SwiGLU(4, 6).initialize(0)
    x, dy = rng.standard_normal((2, *shape))
    expected, their_gradients = autograd(
        lambda x, gate, up, down: (F.silu(x @ gate) * (x @ up)) @ down,
        *(dy, x, layer.W, layer.V, layer.W2),
    )
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(dy, cache)
    assert_same(y, expected)
    for ours, theirs in zip((dx, *gradients.values()), their_gradients, strict=True):
        assert_same(ours, theirs)


def test_errors() -> None:
    with pytest.raises(InputError) as error:
        SwiGLU(4, 0)
    assert str(error.value) == "SwiGLU: sizes are at least 1, found width = 4, hidden = 0"
    layer = SwiGLU(4, 6).initialize(0)
    with pytest.raises(ShapeError) as shape:
        layer.forward(np.ones((2, 5)))
    assert str(shape.value) == (
        "SwiGLU: x has width = 5, W expects width = 4 (y = (silu(x W) ⊙ x V) W2)"
    )
    with pytest.raises(ShapeError) as shape:
        layer.output_shape((3, 5))
    assert str(shape.value) == (
        "SwiGLU: an example of x has shape (3, 5), W expects width = 4 on the last axis "
        "(y = (silu(x W) ⊙ x V) W2)"
    )
