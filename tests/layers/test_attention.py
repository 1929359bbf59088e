"""What holds for every layer of several inputs, and what attention has for itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch.nn import functional as F

from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Layer, Summary
from byhand.layers.additive_attention import AdditiveAttention
from byhand.layers.attention import ScaledDotProductAttention
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.dot_attention import DotAttention
from byhand.layers.general_attention import GeneralAttention
from byhand.layers.masks import causal, masked_softmax
from byhand.layers.rotary import Rotary

from .examples import OF_SEVERAL_INPUTS, mask_of, sizes
from .peer import assert_same, autograd

Array = Any


@dataclass(frozen=True)
class Case:
    """A layer, the inputs that have a gradient, and the masks or positions that have none."""

    layer: Layer
    inputs: dict[str, Array]
    others: dict[str, Array]

    def forward(self) -> tuple[Array, Any]:
        return self.layer.forward(**self.inputs, **self.others)  # type: ignore[no-any-return]


def scaled(kv_heads: int, mask: str | None) -> Callable[[Generator, Any], Case]:
    def build(rng: Generator, dtype: Any) -> Case:
        batch, queries, keys, d, wide = sizes(rng, 5)
        shapes = {
            "q": (batch, 2 * kv_heads, queries, d),
            "k": (batch, kv_heads, keys, d),
            "v": (batch, kv_heads, keys, wide),
        }
        inputs = {s: rng.standard_normal(shape).astype(dtype) for s, shape in shapes.items()}
        masks = {
            "causal": causal(queries, keys)[None],
            "padding": mask_of(rng, batch, keys)[:, None],
            "any": rng.integers(2, size=(batch, queries, keys)),
        }
        others = {} if mask is None else {"mask": masks[mask]}
        return Case(ScaledDotProductAttention(), inputs, others)

    return build


def to_annotations(
    make: Callable[[int, int, int], Layer], same: bool, padded: bool
) -> Callable[[Generator, Any], Case]:
    def build(rng: Generator, dtype: Any) -> Case:
        batch, queries, time, query, annotation, hidden = sizes(rng, 6)
        layer = make(query, annotation, hidden).initialize(rng, dtype)
        s = rng.standard_normal((batch, queries, annotation if same else query)).astype(dtype)
        h = rng.standard_normal((batch, time, annotation)).astype(dtype)
        masks = masks_of(rng, batch, queries, time)
        return Case(layer, {"s": s, "h": h}, masks if padded else {})

    return build


def masks_of(rng: Generator, batch: int, time: int, source: int) -> dict[str, Array]:
    return {"mask": mask_of(rng, batch, time), "memory_mask": mask_of(rng, batch, source)}


def summary(bidirectional: bool, padded: bool) -> Callable[[Generator, Any], Case]:
    def build(rng: Generator, dtype: Any) -> Case:
        batch, time, source, width, half = sizes(rng, 5)
        x = rng.standard_normal((batch, time, width)).astype(dtype)
        m = rng.standard_normal((batch, source, 2 * half)).astype(dtype)
        layer = Summary(2 * half, bidirectional=bidirectional)
        masks = masks_of(rng, batch, time, source)
        return Case(layer, {"x": x, "m": m}, masks if padded else {})

    return build


def cross(heads: int, kv_heads: int, padded: bool) -> Callable[[Generator, Any], Case]:
    def build(rng: Generator, dtype: Any) -> Case:
        batch, time, source = sizes(rng, 3)
        layer = CrossAttention(3 * heads, heads, kv_heads=kv_heads).initialize(rng, dtype)
        x = rng.standard_normal((batch, time, 3 * heads)).astype(dtype)
        m = rng.standard_normal((batch, source, 3 * heads)).astype(dtype)
        masks = masks_of(rng, batch, time, source)
        return Case(layer, {"x": x, "m": m}, masks if padded else {})

    return build


def rotary(rng: Generator, dtype: Any) -> Case:
    batch, heads, time, half = sizes(rng, 4)
    x = rng.standard_normal((batch, heads, time, 2 * half)).astype(dtype)
    return Case(Rotary(), {"x": x}, {"positions": rng.integers(100, size=(batch, time))})


CASES: dict[type[Layer], tuple[Callable[[Generator, Any], Case], ...]] = {
    AdditiveAttention: (
        to_annotations(AdditiveAttention, False, False),
        to_annotations(AdditiveAttention, False, True),
    ),
    CrossAttention: (cross(1, 1, False), cross(4, 2, True), cross(2, 1, True)),
    DotAttention: (
        to_annotations(lambda *_: DotAttention(), True, False),
        to_annotations(lambda *_: DotAttention(), True, True),
    ),
    GeneralAttention: tuple(
        to_annotations(lambda query, annotation, _: GeneralAttention(query, annotation), False, m)
        for m in (False, True)
    ),
    Rotary: (rotary,),
    ScaledDotProductAttention: (
        *(scaled(kv_heads, None) for kv_heads in (1, 3)),
        *(scaled(2, mask) for mask in ("causal", "padding", "any")),
    ),
    Summary: (summary(False, False), summary(False, True), summary(True, True)),
}


def named(kind: type[Layer]) -> str:
    return kind.__name__


every_kind = pytest.mark.parametrize("kind", OF_SEVERAL_INPUTS, ids=named)


def cases(kind: type[Layer], seed: int, dtype: Any) -> list[Case]:
    return [build(np.random.default_rng([seed, 1]), dtype) for build in CASES[kind]]


def cotangent(y: Array) -> Array:
    return np.random.default_rng(2).standard_normal(y.shape).astype(y.dtype)


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_agree_with_central_differences(kind: type[Layer], seed: int) -> None:
    for case in cases(kind, seed, np.float64):
        y, cache = case.forward()
        dy = cotangent(y)
        *of_inputs, gradients = case.layer.backward(dy, cache)

        def loss(case: Case = case, dy: Array = dy) -> float:
            return float((dy * case.forward()[0]).sum())

        assert gradients.keys() == case.layer.parameters.keys()
        for value, gradient in [
            *zip(case.inputs.values(), of_inputs, strict=True),
            *((case.layer.parameters[symbol], gradients[symbol]) for symbol in gradients),
        ]:
            assert relative_error(gradient, numerical_gradient(loss, value)) < 1e-7


@every_kind
def test_float32_stays_float32_and_says_the_same(kind: type[Layer]) -> None:
    for single, double in zip(cases(kind, 0, np.float32), cases(kind, 0, np.float64), strict=True):
        results = []
        for case in (single, double):
            y, cache = case.forward()
            *of_inputs, gradients = case.layer.backward(cotangent(y), cache)
            results.append([y, *of_inputs, *gradients.values()])
        assert {a.dtype for a in results[0]} == {np.dtype(np.float32)}
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_kind
def test_forward_and_backward_are_pure(kind: type[Layer]) -> None:
    for case in cases(kind, 0, np.float64):
        arrays = [
            *case.inputs.values(),
            *case.others.values(),
            *case.layer.parameters.values(),
        ]
        before = copy.deepcopy(arrays)
        for array in arrays:
            array.flags.writeable = False
        y, cache = case.forward()
        dy = cotangent(y)
        *of_inputs, gradients = case.layer.backward(dy, cache)
        first = copy.deepcopy([y, *of_inputs, *gradients.values()])
        again, other_cache = case.forward()
        case.layer.backward(dy + 1, other_cache)
        *of_inputs, gradients = case.layer.backward(dy, cache)
        for a, b in zip(first, [again, *of_inputs, *gradients.values()], strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(before, arrays, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(dy, cotangent(y))


@every_kind
def test_the_docstring_states_the_equation_and_the_derivative(kind: type[Layer]) -> None:
    assert kind.__doc__ is not None
    assert kind.__doc__.startswith(kind.equation.split(" ")[0])
    assert "\n    Derivative" in kind.__doc__


# Padding


@pytest.mark.parametrize(
    "kind", [kind for kind in OF_SEVERAL_INPUTS if kind is not Rotary], ids=named
)
def test_what_the_padding_holds_has_no_effect(kind: type[Layer]) -> None:
    """Neither on an output nor on a gradient, be it infinite or no number."""
    for case in cases(kind, 1, np.float64):
        if "mask" not in case.others:
            continue
        hidden = hidden_by(case)
        results = []
        for content in (0.0, 1e3, np.inf, np.nan):
            for symbol, places in hidden:
                case.inputs[symbol][places] = content
            y, cache = case.forward()
            dy = cotangent(y)
            if isinstance(case.layer, CrossAttention | Summary):
                dy[case.others["mask"] == 0] = content
            *of_inputs, gradients = case.layer.backward(dy, cache)
            results.append([y, *of_inputs, *gradients.values()])
            of = dict(zip(case.inputs, of_inputs, strict=True))
            for symbol, places in hidden:
                assert not of[symbol][places].any()
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


def hidden_by(case: Case) -> list[tuple[str, Array]]:
    """The inputs that nobody may look at, and where."""
    mask = case.others["mask"]
    if isinstance(case.layer, ScaledDotProductAttention):
        unseen = ~np.asarray(mask, bool).any(axis=1)
        places = np.broadcast_to(unseen[:, None], case.inputs["k"].shape[:3])
        return [("k", places), ("v", places)]
    x, m = case.inputs
    return [(x, mask == 0), (m, case.others["memory_mask"] == 0)]


def test_a_query_that_may_look_at_nothing_says_nothing() -> None:
    S = np.array([[1.0, 2.0], [3.0, 4.0]])
    allowed = np.array([[False, False], [True, False]])
    assert masked_softmax(S, allowed).tolist() == [[0, 0], [1, 0]]
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 1, 1, 2, 3))
    y, cache = ScaledDotProductAttention().forward(q, k, v, allowed[None])
    assert y[0, 0, 0].tolist() == [0, 0, 0]
    dq, dk, dv, _ = ScaledDotProductAttention().backward(np.ones_like(y), cache)
    assert not dq.any()  # the second query has no choice, either
    assert not dk.any()
    assert dv[0, 0].tolist() == [[1, 1, 1], [0, 0, 0]]


def test_scores_far_apart() -> None:
    S = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]])
    expected = [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(masked_softmax(S, np.ones((2, 3), bool)), expected)


def test_causal_lets_the_last_query_see_all_keys() -> None:
    assert causal(2, 4).astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert causal(3, 3).astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_divided_by_the_root_of_d_the_scores_have_variance_1_for_every_d() -> None:
    """What the docstring says of √d, and of p without it."""
    rng = np.random.default_rng(0)
    for d in (4, 64, 256):
        q, k = rng.standard_normal((2, 1, 1, 200, d))
        _, cache = ScaledDotProductAttention().forward(q, k, k)
        S = q @ k.swapaxes(2, 3)
        assert (S / np.sqrt(d)).var() == pytest.approx(1, rel=0.1)
        np.testing.assert_allclose(cache.p, masked_softmax(S / np.sqrt(d), np.ones_like(S) == 1))
    assert masked_softmax(S, np.ones_like(S) == 1).max(axis=-1).mean() > 0.8
    assert cache.p.max(axis=-1).mean() < 0.1


# Peers


@pytest.mark.parametrize("mask", [None, "causal", "padding"])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_scaled_dot_product_attention_is_pytorchs(kv_heads: int, mask: str | None) -> None:
    rng = np.random.default_rng(0)
    q, dy = rng.standard_normal((2, 3, 4, 5, 6))
    k, v = rng.standard_normal((2, 3, kv_heads, 5, 6))
    allowed = None
    if mask is not None:
        allowed = causal(5, 5)[None] if mask == "causal" else mask_of(rng, 3, 5)[:, None]

    def theirs(*inputs: torch.Tensor) -> torch.Tensor:
        given = None
        if mask == "padding":
            given = torch.tensor(allowed == 1)[:, None]
        return F.scaled_dot_product_attention(
            *inputs, given, is_causal=mask == "causal", enable_gqa=True
        )

    expected, their_gradients = autograd(theirs, dy, q, k, v)
    y, cache = ScaledDotProductAttention().forward(q, k, v, allowed)
    assert_same(y, expected)
    *ours, _ = ScaledDotProductAttention().backward(dy, cache)
    for gradient, their in zip(ours, their_gradients, strict=True):
        assert_same(gradient, their)


def aligned(e: torch.Tensor, h: torch.Tensor, masks: dict[str, Array]) -> torch.Tensor:
    source = torch.tensor(masks["memory_mask"] == 1)[:, None]
    queries = torch.tensor(masks["mask"] == 1)[..., None]
    return torch.softmax(e.masked_fill(~source, -torch.inf), -1) @ h * queries


THEIRS: dict[type[Layer], Callable[..., torch.Tensor]] = {
    AdditiveAttention: lambda masks, s, h, W, U, v: aligned(
        torch.einsum("bqtn,n->bqt", torch.tanh((s @ W)[:, :, None] + (h @ U)[:, None]), v), h, masks
    ),
    DotAttention: lambda masks, s, h: aligned(torch.einsum("bqn,btn->bqt", s, h), h, masks),
    GeneralAttention: lambda masks, s, h, W: aligned(
        torch.einsum("bqm,mn,btn->bqt", s, W, h), h, masks
    ),
}


@pytest.mark.parametrize("kind", THEIRS, ids=named)
def test_attention_of_the_first_kinds_is_the_same_in_pytorch(kind: type[Layer]) -> None:
    case = cases(kind, 0, np.float64)[1]
    y, cache = case.forward()
    dy = cotangent(y)
    *of_inputs, gradients = case.layer.backward(dy, cache)
    expected, their_gradients = autograd(
        lambda *leaves: THEIRS[kind](case.others, *leaves),
        *(dy, *case.inputs.values(), *case.layer.parameters.values()),
    )
    assert_same(y, expected)
    for ours, theirs in zip([*of_inputs, *gradients.values()], their_gradients, strict=True):
        assert_same(ours, theirs)
    np.testing.assert_allclose(cache.p.sum(axis=-1), case.others["mask"])
