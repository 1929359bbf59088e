from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.errors import InputError
from byhand.layers import LayerNorm, Residual, RMSNorm, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import gpt
from byhand.optimizers import SGD

TOKENS, TIME = 7, 6
KINDS: dict[str, dict[str, Any]] = {
    "GPT-2": {},
    "Llama": {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "kv_heads": 1},
    "2017": {"positions": "sinusoidal", "place": "post"},
    "a set": {"positions": "none"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind: str = "GPT-2", **options: Any) -> Sequential:
    how: dict[str, Any] = {"width": 12, "heads": 2, "depth": 2, "context": TIME}
    return gpt(TOKENS, **(how | KINDS[kind] | options)).initialize(1)


def ids(batch: int = 3, time: int = TIME) -> np.typing.NDArray[np.int64]:
    return np.random.default_rng(0).integers(TOKENS, size=(batch, time))


def names(model: Sequential) -> list[str]:
    return [str(layer.name) for layer in model.layers]


def test_the_parameters_of_nanogpt_but_for_its_tied_embedding() -> None:
    """nanoGPT says 0.80M for this configuration, without its 64 x 128 positions."""
    width, tokens, context = 128, 65, 64
    block = 4 * width**2 + (8 * width**2 + 5 * width) + 2 * (2 * width)
    expected = 4 * block + 2 * width + (tokens + context) * width + (width + 1) * tokens
    model = gpt(tokens).initialize(0)
    assert sum(value.size for value in model.parameters.values()) == expected == 816_193


def test_blocks_by_their_names() -> None:
    blocks = ["attention1", "feed_forward1", "attention2", "feed_forward2"]
    assert names(small()) == ["embedding1", "learnedpositions1", *blocks, "layernorm1", "output"]
    assert names(small("Llama")) == ["embedding1", *blocks, "rmsnorm1", "output"]
    post = names(small("2017"))
    assert post[2:6] == ["attention1", "layernorm1", "feed_forward1", "layernorm2"]
    assert post[-2:] == ["layernorm4", "output"]


@pytest.mark.parametrize(("kind", "norm"), [("GPT-2", LayerNorm), ("Llama", RMSNorm)])
def test_each_block_begins_with_a_norm(kind: str, norm: type) -> None:
    blocks = [layer for layer in small(kind).layers if isinstance(layer, Residual)]
    assert len(blocks) == 4
    assert all(type(block.layers[0]) is norm for block in blocks)


@every_kind
def test_a_token_changes_no_score_before_it(kind: str) -> None:
    model, text = small(kind), ids()
    z, _ = model.forward(text)
    text[:, 4] = (text[:, 4] + 1) % TOKENS
    other, _ = model.forward(text)
    assert np.array_equal(z[:, :4], other[:, :4])
    assert not np.allclose(z[:, 4:], other[:, 4:])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a set"])
def test_the_order_of_what_was_read_matters(kind: str) -> None:
    model, text = small(kind), ids()
    last = model.forward(text)[0][:, -1]
    assert not np.allclose(last, model.forward(text[:, [1, 0, 2, 3, 4, 5]])[0][:, -1])


def test_without_positions_it_does_not() -> None:
    model, text = small("a set", depth=1), ids()  # a second could count what the first has seen
    last = model.forward(text)[0][:, -1]
    assert np.allclose(last, model.forward(text[:, [1, 0, 2, 3, 4, 5]])[0][:, -1], atol=1e-12)


@pytest.mark.parametrize("engine", engines.ENGINES)
@every_kind
def test_with_a_cache_it_says_what_it_says_without(kind: str, engine: str) -> None:
    if missing := engines.available(engine):
        pytest.skip(missing)
    program = engines.compile(small(kind), SoftmaxCrossEntropy(), SGD(0.1), engine=engine)
    text = ids(2)
    whole = program.predict(text)
    pieces, states = [], {}
    for part in (slice(0, 3), slice(3, 4), slice(4, 6)):
        p, states = program.predict_from(text[:, part], states)
        pieces.append(p)
    assert np.allclose(np.concatenate(pieces, axis=1), whole, rtol=0, atol=1e-13)


@every_kind
def test_dropout_after_each_block_and_the_embedding(kind: str) -> None:
    model = small(kind, dropout=0.5)
    masks = model.draw_masks(2, (TIME,), 0, 0, np.float64)
    assert len(masks) == 5
    assert all(mask.shape == (2, TIME, 12) for mask in masks.values())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"positions": "absolute"}, "positions is one of learned, sinusoidal, rotary, none; found"),
        ({"norm": "batch"}, "norm is one of layer, rms; found 'batch'"),
        ({"place": "before"}, "place is one of pre, post; found 'before'"),
        ({"feed_forward": "relu"}, "feed_forward is one of gelu, swiglu; found 'relu'"),
        ({"depth": 0}, "depth is at least 1, found 0"),
        ({"heads": 5}, "heads share the width in equal parts, found width = 12, heads = 5"),
    ],
)
def test_what_makes_no_model(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        small(**options)
