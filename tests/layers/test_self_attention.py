from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Dense, Embedding, LayerNorm, Sequential
from byhand.layers.gelu import GELU
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.residual import Residual
from byhand.layers.self_attention import SelfAttention
from byhand.layers.sinusoidal_positions import SinusoidalPositions

from .in_pytorch import gradients_in_pytorch, in_pytorch
from .peer import assert_same

Array = Any
Y = "(y = attention(x Wq, x Wk, x Wv) Wo)"
PADDED = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]])
FORMS: list[dict[str, Any]] = [
    {"heads": 2, "causal": True},
    {"heads": 4, "kv_heads": 2, "causal": True, "rotary": True},
    {"heads": 2, "kv_heads": 1, "rotary": True},
    {"heads": 1},
]
every_form = pytest.mark.parametrize("form", FORMS, ids=str)
every_causal_form = pytest.mark.parametrize("form", FORMS[:2], ids=str)


def drawn(
    form: dict[str, Any], batch: int = 3, time: int = 5
) -> tuple[SelfAttention, Array, Array]:
    """A layer of width 8, and x and dy for it."""
    layer = SelfAttention(8, **form).initialize(0)
    assert isinstance(layer, SelfAttention)
    x, dy = np.random.default_rng(1).standard_normal((2, 3, 5, 8))
    return layer, x, dy


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("heads", [1, 2, 8])
def test_outputs_and_gradients_are_pytorchs(heads: int, padded: bool, causal: bool) -> None:
    layer, x, dy = drawn({"heads": heads, "causal": causal})
    mask = PADDED.copy()
    mask[2] = [1, 1, 1, 0, 0]  # where PyTorch's first query sees nothing it says NaN
    dy[mask == 0] *= not padded
    module = in_pytorch(layer)
    leaf = torch.tensor(x, requires_grad=True)
    theirs, weights = module(
        *(leaf, leaf, leaf),
        key_padding_mask=torch.tensor(mask == 0) if padded else None,
        attn_mask=torch.ones(5, 5).tril().logical_not() if causal else None,
        average_attn_weights=False,
    )
    theirs.backward(torch.tensor(dy))
    y, cache = layer.forward(x, mask=mask if padded else None)
    dx, gradients = layer.backward(dy, cache)
    real = mask == 1 if padded else np.ones_like(mask, bool)
    assert_same(y[real], theirs.detach().numpy()[real])
    assert_same(dx, leaf.grad)
    for symbol, theirs_of in gradients_in_pytorch(module).items():
        assert_same(gradients[symbol], theirs_of)
    for n, seen in enumerate(real):
        assert_same(cache.attended.p[n, :, seen], weights.detach().numpy()[n, :, seen])


# A sequence in pieces


@every_causal_form
@pytest.mark.parametrize("mask", [None, PADDED], ids=["all real", "padded"])
def test_read_in_pieces_it_is_what_it_is_at_once(form: dict[str, Any], mask: Any) -> None:
    layer, x, dy = drawn(form)
    whole, cache = layer.forward(x, mask=mask)
    dx, gradients = layer.backward(dy, cache)
    for lengths in ((1, 1, 1, 1, 1), (2, 3), (4, 1), (0, 5)):
        ends = np.cumsum(lengths)
        pieces = [slice(end - n, end) for end, n in zip(ends, lengths, strict=True)]
        state, caches = None, []
        for piece in pieces:
            y, kept = layer.forward(x[:, piece], state, None if mask is None else mask[:, piece])
            assert_same(y, whole[:, piece])
            state = layer.final_state(kept)
            caches.append(kept)
        assert state is not None
        assert state.shape == layer.state_shape(3, 5)
        assert_same(state, layer.final_state(cache))

        dstate, sums = None, {symbol: np.zeros_like(w) for symbol, w in gradients.items()}
        for piece, kept in reversed(list(zip(pieces, caches, strict=True))):
            own_dx, dstate, own = layer.backward_with_state(dy[:, piece], dstate, kept)
            assert_same(own_dx, dx[:, piece])
            for symbol, gradient in own.items():
                sums[symbol] += gradient
        assert dstate.shape == (3, 0, layer.state_shape(3)[2])
        for symbol, total in sums.items():
            assert_same(total, gradients[symbol])


@every_causal_form
@pytest.mark.parametrize("mask", [None, PADDED], ids=["all real", "padded"])
def test_derivatives_of_the_states_agree_with_central_differences(
    form: dict[str, Any], mask: Any
) -> None:
    layer, x, dy = drawn(form)
    before = np.random.default_rng(2).standard_normal((3, 4, 8))
    state = layer.final_state(layer.forward(before, mask=np.array([[1, 1, 0, 1]] * 3))[1])
    _, cache = layer.forward(x, state, mask)
    dfinal = np.random.default_rng(3).standard_normal(layer.final_state(cache).shape)
    dfinal[:, :, -1] = 0  # which steps are real is no quantity

    def loss() -> float:
        y, cache = layer.forward(x, state, mask)
        return float((dy * y).sum() + (dfinal * layer.final_state(cache)).sum())

    dx, dstate, gradients = layer.backward_with_state(dy, dfinal, cache)
    assert relative_error(dx, numerical_gradient(loss, x)) < 1e-7
    measured = numerical_gradient(loss, state)
    assert relative_error(dstate[..., :-1], measured[..., :-1]) < 1e-7
    assert not dstate[..., -1].any()
    for symbol, gradient in gradients.items():
        measured = numerical_gradient(loss, layer.parameters[symbol])
        assert relative_error(gradient, measured) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_token_by_token_a_model_says_what_it_says_of_the_whole(dtype: Any) -> None:
    """A small GPT, whose states are keys and values by the names of the layers."""
    places = [LearnedPositions(9, 8), SinusoidalPositions(8)]
    blocks = [
        Residual(LayerNorm(8), SelfAttention(8, 2, causal=True), name="block1"),
        Residual(LayerNorm(8), Dense(8, 6), GELU(), Dense(6, 8), name="block2"),
        Residual(
            LayerNorm(8),
            SelfAttention(8, 4, kv_heads=2, causal=True, rotary=True),
            name="block3",
        ),
    ]
    model = Sequential(Embedding(7, 8), *places, *blocks, Dense(8, 7)).initialize(0, dtype)
    ids = np.random.default_rng(1).integers(7, size=(2, 9))
    ids[1, 2:4] = -1
    whole, caches = model.forward(ids)
    tolerance = 1e-4 if dtype is np.float32 else 1e-10
    states: dict[str, Array] = {}
    for t in range(9):
        logits, kept = model.forward(ids[:, t : t + 1], states=states)
        states = model.final_states(kept)
        real = ids[:, t] >= 0
        assert logits.dtype == dtype
        np.testing.assert_allclose(logits[real, 0], whole[real, t], rtol=tolerance, atol=tolerance)
    assert {name: state.shape for name, state in states.items()} == {
        "learnedpositions1": (2,),
        "sinusoidalpositions1": (2,),
        "block1.selfattention1": (2, 9, 17),
        "block3.selfattention1": (2, 9, 9),
    }
    for name, state in model.final_states(caches).items():
        assert state.dtype == dtype
        np.testing.assert_allclose(states[name], state, rtol=tolerance, atol=tolerance)


# Padding


@every_form
def test_what_the_padding_holds_has_no_effect(form: dict[str, Any]) -> None:
    """Neither in x nor in dy, be it infinite or no number."""
    layer, x, dy = drawn(form)
    results = []
    for content in (0.0, 1e3, np.inf, np.nan):
        x[PADDED == 0] = content
        dy[PADDED == 0] = content
        y, cache = layer.forward(x, mask=PADDED)
        dx, gradients = layer.backward(dy, cache)
        results.append([y, layer.final_state(cache), dx, *gradients.values()])
        assert not y[PADDED == 0].any()
        assert not dx[PADDED == 0].any()
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@every_form
@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_padded_sequences_are_what_each_is_alone(form: dict[str, Any], dtype: Any) -> None:
    """Wherever the padding lies, it takes no position."""
    layer, x, dy = drawn(form)
    y, cache = layer.forward(x, mask=PADDED.astype(dtype))
    dx, gradients = layer.backward(dy, cache)
    sums = {symbol: np.zeros_like(value) for symbol, value in gradients.items()}
    for n, steps in enumerate(PADDED == 1):
        alone, own_cache = layer.forward(x[n : n + 1, steps])
        own_dx, own = layer.backward(dy[n : n + 1, steps], own_cache)
        assert_same(y[n, steps], alone[0])
        assert_same(dx[n, steps], own_dx[0])
        for symbol, gradient in own.items():
            sums[symbol] += gradient
    for symbol, total in sums.items():
        assert_same(gradients[symbol], total)


def test_a_model_of_ids_keeps_padding_out_of_everything() -> None:
    """The order of the steps, the padding between them: nothing of it reaches an output that a loss
    asks for, or a gradient."""
    model = Sequential(
        Embedding(5, 4),
        SinusoidalPositions(4),
        Residual(SelfAttention(4, 2), name="attention"),
        LayerNorm(4),
        Residual(Dense(4, 6), GELU(), Dense(6, 4), name="hidden"),
    ).initialize(0)
    ids = np.array([[0, 1, 2, -1, -1], [3, 4, 0, 1, 2]])
    y, caches = model.forward(ids)
    alone, own = model.forward(ids[:1, :3])
    assert_same(y[:1, :3], alone)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    dy[ids < 0] = 0
    dy[1] = 0
    _, gradients = model.backward(dy, caches)
    _, expected = model.backward(dy[:1, :3], own)
    for name, gradient in gradients.items():
        assert_same(gradient, expected[name])
    assert_same(model.activations(ids)["hidden"], y)


# Rotary positions


def test_with_rotary_positions_only_distances_count() -> None:
    """After 50 other steps the scores of a piece among itself are what they are at the beginning,
    so its weights have the same proportions."""
    layer, x, _ = drawn({"heads": 2, "causal": True, "rotary": True})
    before = np.random.default_rng(2).standard_normal((3, 50, 8))
    _, cache = layer.forward(before)
    _, near = layer.forward(x)
    _, far = layer.forward(x, layer.final_state(cache))
    own = far.attended.p[..., 50:]
    assert_same(own / own.sum(axis=-1, keepdims=True), near.attended.p)


# Errors


@pytest.mark.parametrize(
    ("x", "state", "mask", "kind", "text"),
    [
        ((2, 3, 4), None, None, ShapeError, f"x has width = 4, Wq expects width = 8 {Y}"),
        (
            (3, 8),
            None,
            None,
            ShapeError,
            f"x has shape (3, 8), expected the axes x[batch, time, width] {Y}; "
            "for a batch of one write x[None]",
        ),
        (
            (2, 3, 8),
            None,
            np.ones((2, 4)),
            ShapeError,
            f"mask has shape (2, 4), x has [batch, time] = (2, 3) {Y}",
        ),
        (
            (2, 3, 8),
            None,
            np.full((2, 3), 2),
            InputError,
            f"mask is 1 where a step is real and 0 where it is padding, found 2 {Y}",
        ),
        (
            (2, 3, 8),
            np.ones((1, 5, 17)),
            None,
            ShapeError,
            "state has shape (1, 5, 17), expected (2, 5, 17) = [batch, past, 2 kv_heads d + 1] "
            f"{Y}",
        ),
        (
            (2, 3, 8),
            np.ones((2, 17)),
            None,
            ShapeError,
            f"state has shape (2, 17), expected (2, 0, 17) = [batch, past, 2 kv_heads d + 1] {Y}",
        ),
        (
            (2, 3, 8),
            np.ones((2, 5, 17), np.float32),
            None,
            DTypeError,
            f"state is float32, x is float64 {Y}; convert it with state.astype(np.float64)",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    x: Any, state: Any, mask: Any, kind: type[InputError], text: str
) -> None:
    layer = SelfAttention(8, 2, causal=True, name="a").initialize(0)
    assert isinstance(layer, SelfAttention)
    with pytest.raises(kind) as error:
        layer.forward(np.ones(x), state, mask)
    assert str(error.value) == f'SelfAttention "a": {text}'


def test_a_gradient_of_a_state_that_is_not_the_last() -> None:
    layer, x, dy = drawn(FORMS[0])
    _, cache = layer.forward(x)
    with pytest.raises(ShapeError) as error:
        layer.backward_with_state(dy, np.ones((3, 4, 17)), cache)
    assert str(error.value) == (
        "SelfAttention: dstate has shape (3, 4, 17), expected (3, 5, 17) = "
        f"[batch, past, 2 kv_heads d + 1] {Y}"
    )


def test_a_state_where_every_step_sees_every_other() -> None:
    layer, x, _ = drawn({"heads": 2})
    _, cache = layer.forward(x)
    with pytest.raises(InputError) as error:
        layer.forward(x, layer.final_state(cache))
    assert str(error.value) == (
        "SelfAttention: without causal=True the steps before look at those that follow, so no "
        f"piece can go on from their state {Y}"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"width": 8, "heads": 0},
            "sizes are at least 1, found width = 8, heads = 0, kv_heads = 0",
        ),
        (
            {"width": 8, "heads": 3},
            "heads share the width in equal parts, found width = 8, heads = 3",
        ),
        (
            {"width": 8, "heads": 4, "kv_heads": 3},
            "each of kv_heads serves as many heads, found heads = 4, kv_heads = 3",
        ),
        (
            {"width": 6, "heads": 2, "rotary": True},
            "rotary turns pairs, so width/heads is even, found width = 6, heads = 2",
        ),
    ],
)
def test_arguments_that_make_no_layer(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        SelfAttention(**arguments)
    assert str(error.value) == f"SelfAttention: {text}"


def test_an_example_of_another_shape() -> None:
    layer = SelfAttention(8, 2)
    assert layer.output_shape((5, 8)) == (5, 8)
    with pytest.raises(ShapeError) as error:
        layer.output_shape((8,))
    assert str(error.value) == (
        "SelfAttention: an example of x has shape (8,), expected (time, width) with width = 8 " + Y
    )
