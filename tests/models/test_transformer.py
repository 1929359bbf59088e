from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.layers import LayerNorm, RMSNorm, Sequential
from byhand.models import transformer
from byhand.models.transformer import POSITIONS

from .two_sequences import (
    SOURCE,
    TARGET,
    TIME,
    assert_gradients,
    assert_sees_no_word_after,
    assert_shorter_batch,
    assert_step_by_step,
    pairs,
)

KINDS: dict[str, dict[str, Any]] = {
    "2017": {},
    "pre": {"place": "pre", "feed_forward": "gelu", "positions": "learned"},
    "rms": {"place": "pre", "norm": "rms", "feed_forward": "swiglu"},
    "a set": {"positions": "none"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind: str = "2017", **options: Any) -> Sequential:
    how: dict[str, Any] = {"width": 4, "heads": 2, "depth": 2, "longest": TIME}
    return transformer(SOURCE, TARGET, **(how | KINDS[kind] | options))


def names(model: Any) -> list[str]:
    return [str(layer.name) for layer in model.layers]


def test_blocks_by_their_names() -> None:
    model = small("pre")
    encoder = ["attention1", "feed_forward1", "attention2", "feed_forward2", "layernorm1"]
    assert names(model.layers[0]) == ["embedding1", "learnedpositions1", *encoder]
    decoder = [f"{name}{k}" for k in (1, 2) for name in ("attention", "cross_attention")]
    decoder = [*decoder[:2], "feed_forward1", *decoder[2:], "feed_forward2"]
    assert names(model)[1:] == ["embedding1", "learnedpositions1", *decoder, "layernorm1", "output"]
    assert names(small())[3:7] == ["attention1", "layernorm1", "cross_attention1", "layernorm2"]


def test_the_parameters_of_the_paper_s_base_model() -> None:
    """65 million in table 3, with 37,000 byte pairs whose embeddings the output shares; attention
    has no biases here. The sum is that of a narrow model, and then of one as wide as theirs."""

    def without_words(width: int, depth: int = 6) -> int:
        attention, forward, norm = 4 * width**2, 8 * width**2 + 5 * width, 2 * width
        encoder = depth * (attention + forward + 2 * norm)
        return encoder + depth * (2 * attention + forward + 3 * norm)

    model = transformer(11, 13, width=32, depth=6, heads=8).initialize(0)
    own = sum(value.size for value in model.parameters.values())
    assert own == without_words(32) + 11 * 32 + 13 * 32 + (32 + 1) * 13
    assert round((without_words(512) + 37_000 * 512) / 1e6) == 63


@every_kind
def test_gradients(kind: str) -> None:
    assert_gradients(small(kind))


@every_kind
def test_step_by_step(kind: str) -> None:
    assert_step_by_step(small(kind))


@every_kind
def test_what_a_step_knows(kind: str) -> None:
    assert_sees_no_word_after(small(kind))


def test_padding_that_all_have_changes_nothing() -> None:
    assert_shorter_batch(small("pre"))


def test_without_positions_the_source_is_a_set() -> None:
    ids, _ = pairs()
    turned = ids.copy()
    turned[1, 0] = turned[1, 0, ::-1]
    for positions in POSITIONS:
        model = small(positions=positions).initialize(1)
        same = np.allclose(model.forward(ids)[0][1], model.forward(turned)[0][1], atol=1e-12)
        assert same == (positions == "none")


def test_dropout_of_embeddings_and_after_each_block() -> None:
    masks = small(dropout=0.5).draw_masks(2, (2, TIME), 0, 0, np.float64)
    assert len(masks) == (1 + 4) + (1 + 6)
    assert all(mask.shape == (2, TIME, 4) for mask in masks.values())


@pytest.mark.parametrize("place", ["post", "pre"])
def test_values_and_gradients_are_those_of_pytorch(place: str) -> None:
    """nn.Transformer with our weights carried over; what is before and after it is ours."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = small(place=place).initialize(1)
    parameters = model.parameters
    for name in parameters:
        value = parameters[name]
        value[...] += 0.1 * np.random.default_rng(len(name)).standard_normal(value.shape)
    ids, _ = pairs()
    source, target = ids[:, 0], ids[:, 1]
    how = {"batch_first": True, "norm_first": place == "pre", "dtype": torch.float64}
    norm = nn.LayerNorm(4, dtype=torch.float64) if place == "pre" else None
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 16, 0.0, **how), 2, norm, enable_nested_tensor=False
    )
    module = nn.Transformer(4, 2, 2, 2, 16, 0.0, custom_encoder=encoder, **how)
    if place == "post":  # PyTorch has a norm after the last norm
        module.decoder.norm = None
    carried = _carried(module, place)
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(_theirs(name, carried, parameters))
    leaves = {n: torch.tensor(v, requires_grad=True) for n, v in parameters.items() if "." in n}
    positions = torch.tensor(model.layers[2].table(np.arange(TIME), np.dtype(float)))
    embedded = [
        leaves[name][torch.tensor(np.maximum(words, 0))] + positions
        for name, words in (("encoder.embedding1.E", source), ("embedding1.E", target))
    ]
    padding = torch.tensor(source < 0)
    future = torch.ones(TIME, TIME, dtype=torch.bool).triu(1)
    hidden = module(
        *embedded,
        tgt_mask=future,
        src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )
    z = hidden @ leaves["output.W"] + leaves["output.b"]

    ours, caches = model.forward(ids)
    real = target >= 0
    assert np.allclose(ours[real], z.detach().numpy()[real], rtol=0, atol=1e-10)
    dz = np.where(real[..., None], np.random.default_rng(2).standard_normal(ours.shape), 0)
    _, gradients = model.backward(dz, caches)
    z.backward(torch.tensor(dz))
    for name in ("encoder.embedding1.E", "embedding1.E", "output.W", "output.b"):
        assert np.allclose(gradients[name], leaves[name].grad.numpy(), rtol=0, atol=1e-10), name
    for name, value in module.named_parameters():
        if "bias" in name and "attn" in name:
            continue  # ours has none
        theirs = value.grad
        expected = _theirs(name, carried, gradients)
        assert np.allclose(theirs.numpy(), expected.numpy(), rtol=0, atol=1e-10), name


def _carried(module: Any, place: str) -> dict[str, str]:
    """PyTorch's modules and our layers."""
    names = {}
    for side, start, blocks in (
        ("encoder", "encoder.", ("attention", "feed_forward")),
        ("decoder", "", ("attention", "cross_attention", "feed_forward")),
    ):
        for k in (1, 2):
            theirs = f"{side}.layers.{k - 1}"
            names[f"{theirs}.self_attn"] = f"{start}attention{k}.selfattention1"
            names[f"{theirs}.multihead_attn"] = f"{start}cross_attention{k}.crossattention1"
            names[f"{theirs}.linear1"] = f"{start}feed_forward{k}.dense1"
            names[f"{theirs}.linear2"] = f"{start}feed_forward{k}.dense2"
            for j, block in enumerate(blocks, 1):
                inside = f"{start}{block}{k}.layernorm1"
                behind = f"{start}layernorm{len(blocks) * (k - 1) + j}"
                names[f"{theirs}.norm{j}"] = inside if place == "pre" else behind
        names[f"{side}.norm"] = f"{start}layernorm1"
    return names


def _theirs(name: str, carried: dict[str, str], values: Any) -> Any:
    """Our numbers in the layout of PyTorch's parameter."""
    import torch

    module, _, kind = name.rpartition(".")
    if "attn" in module:
        ours = carried[module.removesuffix(".out_proj")]
        if "bias" in kind:
            return torch.zeros(4 if "out_proj" in module else 12, dtype=torch.float64)
        symbols = ("Wo",) if "out_proj" in module else ("Wq", "Wk", "Wv")
        return torch.tensor(np.concatenate([values[f"{ours}.{s}"] for s in symbols], axis=1).T)
    norm = "norm" in module
    symbol = {"weight": "gamma" if norm else "W", "bias": "beta" if norm else "b"}[kind]
    return torch.tensor(values[f"{carried[module]}.{symbol}"].T)


@pytest.mark.parametrize(("kind", "norm"), [("pre", LayerNorm), ("rms", RMSNorm)])
def test_where_norms_are_before_there_is_one_at_the_end(kind: str, norm: type) -> None:
    model = small(kind)
    assert type(model.layers[0].layers[-1]) is norm  # type: ignore[attr-defined]
    assert type(model.layers[-2]) is norm


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"positions": "rotary"}, "positions is one of sinusoidal, learned, none; found 'rotary'"),
        ({"feed_forward": "tanh"}, "feed_forward is one of relu, gelu, swiglu; found 'tanh'"),
        ({"norm": "batch"}, "norm is one of layer, rms; found 'batch'"),
        ({"place": "both"}, "place is one of pre, post; found 'both'"),
        ({"depth": 0}, "depth is at least 1, found 0"),
        ({"heads": 3}, "heads share the width in equal parts, found width = 4, heads = 3"),
    ],
)
def test_what_makes_no_model(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        small(**options)
