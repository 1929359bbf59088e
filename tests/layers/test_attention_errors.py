"""What does not fit into a layer of several inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers import Layer
from byhand.layers.additive_attention import AdditiveAttention
from byhand.layers.attention import ScaledDotProductAttention
from byhand.layers.dot_attention import DotAttention
from byhand.layers.general_attention import GeneralAttention

Array = Any
SCALED = "(y = softmax(q kᵀ / √d) v)"


def arrays(*shapes: tuple[int, ...]) -> list[Array]:
    return [np.ones(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("shapes", "mask", "text"),
    [
        (
            ((2, 3, 4, 5), (2, 3, 6, 4), (2, 3, 6, 5)),
            None,
            f"k has d = 4, q has d = 5 {SCALED}",
        ),
        (
            ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 7, 5)),
            None,
            f"v has keys = 7, k has keys = 6 {SCALED}",
        ),
        (
            ((2, 3, 4, 5), (2, 2, 6, 5), (2, 2, 6, 5)),
            None,
            "q has heads = 3, k has kv_heads = 2; heads is a multiple of kv_heads, each of which "
            f"serves a group of them {SCALED}",
        ),
        (
            ((3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)),
            None,
            "q has shape (3, 4, 5), expected the axes q[batch, heads, queries, d] "
            f"{SCALED}; for a batch of one write q[None]",
        ),
        (
            ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)),
            np.ones((4, 6)),
            f"mask has shape (4, 6), q and k have [batch, queries, keys] = (2, 4, 6) {SCALED}",
        ),
        (
            ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)),
            np.ones((1, 4, 5)),
            f"mask has shape (1, 4, 5), q and k have [batch, queries, keys] = (1, 4, 6) {SCALED}",
        ),
    ],
)
def test_shapes_that_do_not_fit(shapes: Any, mask: Any, text: str) -> None:
    with pytest.raises(ShapeError) as error:
        ScaledDotProductAttention().forward(*arrays(*shapes), mask)
    assert str(error.value) == f"ScaledDotProductAttention: {text}"


def test_a_mask_that_is_neither_0_nor_1() -> None:
    """Such as one of −∞ that is meant to be added to the scores."""
    with pytest.raises(InputError) as error:
        ScaledDotProductAttention().forward(
            *arrays((1, 1, 2, 3), (1, 1, 2, 3), (1, 1, 2, 3)), np.array([[[0, -np.inf], [0, 0]]])
        )
    assert str(error.value) == (
        "ScaledDotProductAttention: mask is 1 where a step is real and 0 where it is padding, "
        f"found -inf {SCALED}"
    )


def test_a_gradient_of_the_wrong_shape() -> None:
    layer = ScaledDotProductAttention(name="a")
    _, cache = layer.forward(*arrays((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones((2, 3, 4, 5)), cache)
    assert str(error.value) == (
        f'ScaledDotProductAttention "a": dy has d_v = 5, v has d_v = 7 {SCALED}'
    )


@pytest.mark.parametrize(
    ("layer", "s", "h", "mask", "text"),
    [
        (
            AdditiveAttention(3, 4, 5),
            (2, 6, 4),
            (2, 7, 4),
            None,
            "s has query = 4, W expects query = 3",
        ),
        (GeneralAttention(3, 4), (2, 6, 3), (1, 7, 4), None, "h has batch = 1, s has batch = 2"),
        (
            GeneralAttention(3, 4),
            (2, 6, 3),
            (2, 7, 4),
            np.ones((2, 7)),
            "mask has shape (2, 7), s has [batch, time] = (2, 6)",
        ),
        (DotAttention(), (2, 6, 3), (2, 7, 4), None, "h has annotation = 4, s has annotation = 3"),
    ],
)
def test_annotations_that_do_not_fit(layer: Layer, s: Any, h: Any, mask: Any, text: str) -> None:
    with pytest.raises(ShapeError) as error:
        layer.initialize(0).forward(*arrays(s, h), mask)  # type: ignore[call-arg]
    assert str(error.value) == f"{layer}: {text} ({layer.equation})"


def test_types_that_do_not_fit() -> None:
    with pytest.raises(DTypeError) as error:
        DotAttention().forward(np.ones((1, 2, 3)), np.ones((1, 2, 3), np.float32))
    assert str(error.value) == (
        "DotAttention: h is float32, s is float64 (c = softmax(s hᵀ) h); "
        "convert it with h.astype(np.float64)"
    )


def test_arguments_that_make_no_layer() -> None:
    with pytest.raises(InputError) as error:
        AdditiveAttention(3, 4, 0)
    assert str(error.value) == (
        "AdditiveAttention: sizes are at least 1, found query = 3, annotation = 4, hidden = 0"
    )
    with pytest.raises(InputError) as error:
        GeneralAttention(0, 4)
    assert str(error.value) == (
        "GeneralAttention: sizes are at least 1, found query = 0, annotation = 4"
    )
