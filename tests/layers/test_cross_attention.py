from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from byhand.errors import InputError, ShapeError
from byhand.layers import Dense, LayerNorm, ReLU, Sequential
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.residual import Residual
from byhand.layers.self_attention import SelfAttention

from .in_pytorch import (
    assert_gradients_of_layers,
    copy_layers,
    gradients_in_pytorch,
    in_pytorch,
)
from .peer import assert_same

Y = "(y = attention(x Wq, m Wk, m Wv) Wo)"
SOURCE = np.array([[1, 1, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1]])


def drawn(heads: int) -> tuple[CrossAttention, Any, Any, Any]:
    """A layer of width 8, and x, m and dy for it."""
    rng = np.random.default_rng(1)
    layer = CrossAttention(8, heads).initialize(0)
    assert isinstance(layer, CrossAttention)
    x, dy = rng.standard_normal((2, 3, 5, 8))
    return layer, x, rng.standard_normal((3, 4, 8)), dy


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_outputs_and_gradients_are_pytorchs(heads: int, padded: bool) -> None:
    layer, x, m, dy = drawn(heads)
    module = in_pytorch(layer)
    their_x, their_m = (torch.tensor(a, requires_grad=True) for a in (x, m))
    theirs, weights = module(
        *(their_x, their_m, their_m),
        key_padding_mask=torch.tensor(SOURCE == 0) if padded else None,
        average_attn_weights=False,
    )
    theirs.backward(torch.tensor(dy))
    y, cache = layer.forward(x, m, memory_mask=SOURCE if padded else None)
    dx, dm, gradients = layer.backward(dy, cache)
    assert_same(y, theirs.detach())
    assert_same(cache.attended.p, weights.detach())
    assert_same(dx, their_x.grad)
    assert_same(dm, their_m.grad)
    for symbol, their in gradients_in_pytorch(module).items():
        assert_same(gradients[symbol], their)


def test_padded_sequences_are_what_each_is_alone() -> None:
    layer, x, m, dy = drawn(2)
    mask = np.array([[1, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 1, 1]])
    y, cache = layer.forward(x, m, mask, SOURCE)
    dx, dm, gradients = layer.backward(dy, cache)
    sums = {symbol: np.zeros_like(value) for symbol, value in gradients.items()}
    for n in range(3):
        steps, source = mask[n] == 1, SOURCE[n] == 1
        alone, own_cache = layer.forward(x[n : n + 1, steps], m[n : n + 1, source])
        own_dx, own_dm, own = layer.backward(dy[n : n + 1, steps], own_cache)
        assert_same(y[n, steps], alone[0])
        assert_same(dx[n, steps], own_dx[0])
        assert_same(dm[n, source], own_dm[0])
        for symbol, gradient in own.items():
            sums[symbol] += gradient
    assert not y[mask == 0].any()
    for symbol, total in sums.items():
        assert_same(gradients[symbol], total)


def test_a_block_of_a_decoder_is_pytorchs() -> None:
    """Post-norm, as in the paper: self-attention, then the memory, then the hidden layer."""
    first = Sequential(
        Residual(SelfAttention(8, 2, causal=True, name="heads")), LayerNorm(8, name="norm1")
    ).initialize(0)
    cross, x, m, dy = drawn(4)
    second = Sequential(LayerNorm(8, name="norm2")).initialize(1)
    third = Sequential(
        Residual(Dense(8, 6, name="up"), ReLU(), Dense(6, 8, name="down")),
        LayerNorm(8, name="norm3"),
    ).initialize(2)
    a, first_cache = first.forward(x)
    c, cross_cache = cross.forward(a, m, memory_mask=SOURCE)
    b, second_cache = second.forward(a + c)
    y, third_cache = third.forward(b)

    db, gradients = third.backward(dy, third_cache)
    dc, more = second.backward(db, second_cache)
    da, dm, of_cross = cross.backward(dc, cross_cache)
    dx, of_first = first.backward(dc + da, first_cache)
    gradients |= more | of_first | {f"cross.{s}": value for s, value in of_cross.items()}

    module = nn.TransformerDecoderLayer(8, 2, 6, 0.0, batch_first=True, dtype=torch.float64)
    module.multihead_attn = in_pytorch(cross)
    modules = {
        "heads": module.self_attn,
        "cross": module.multihead_attn,
        "up": module.linear1,
        "down": module.linear2,
        **{f"norm{k}": getattr(module, f"norm{k}") for k in (1, 2, 3)},
    }
    for part in (first, second, third):
        copy_layers(part, modules)
    their_x, their_m = (torch.tensor(array, requires_grad=True) for array in (x, m))
    expected = module(
        *(their_x, their_m),
        tgt_mask=torch.ones(5, 5).tril().logical_not(),
        memory_key_padding_mask=torch.tensor(SOURCE == 0),
    )
    expected.backward(torch.tensor(dy))
    assert_same(y, expected.detach())
    assert_same(dx, their_x.grad)
    assert_same(dm, their_m.grad)
    assert_gradients_of_layers(gradients, modules)


@pytest.mark.parametrize(
    ("m", "masks", "kind", "text"),
    [
        ((3, 4, 6), {}, ShapeError, "m has width = 6, x has width = 8"),
        ((2, 4, 8), {}, ShapeError, "m has batch = 2, x has batch = 3"),
        (
            (3, 4, 8),
            {"mask": SOURCE},
            ShapeError,
            "mask has shape (3, 4), x has [batch, time] = (3, 5)",
        ),
        (
            (3, 4, 8),
            {"memory_mask": np.ones((3, 5))},
            ShapeError,
            "memory_mask has shape (3, 5), m has [batch, time] = (3, 4)",
        ),
        (
            (3, 4, 8),
            {"memory_mask": SOURCE - 1},
            InputError,
            "memory_mask is 1 where a step is real and 0 where it is padding, found -1",
        ),
    ],
)
def test_arrays_that_do_not_fit(m: Any, masks: Any, kind: type[InputError], text: str) -> None:
    layer, x, _, _ = drawn(2)
    with pytest.raises(kind) as error:
        layer.forward(x, np.ones(m), **masks)
    assert str(error.value) == f"CrossAttention: {text} {Y}"
