"""Which layers of a network look at other tokens, wherever they stand, and at what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError
from byhand.layers import PADDING, Encoder, Layer, Sequential
from byhand.layers.attention import Attended
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.multi_head import MultiHead
from byhand.views.subject import DoesNotApply

Array = NDArray[Any]


class Look(NamedTuple):
    """An attention by its full name, such as "attention1.selfattention1", and what it kept of the
    tokens; queries and keys say of which text each are."""

    name: str
    layer: MultiHead
    queries: int
    keys: int
    attended: Attended


def with_heads(layers: Sequence[Layer], within: str = "") -> Iterator[tuple[str, MultiHead]]:
    """All attentions of several heads by their full names, those inside of blocks included."""
    for layer in layers:
        name = f"{within}{layer.name}"
        if isinstance(layer, Sequential):
            yield from with_heads(layer.layers, f"{name}.")
        elif isinstance(layer, MultiHead):
            yield name, layer


def named_heads(model: Sequential) -> dict[str, MultiHead]:
    """All attentions of several heads.

    Raises      DoesNotApply where there is none.
    """
    layers = dict(with_heads(model.layers))
    if not layers:
        raise DoesNotApply("attention is needed, and the network has no layer with heads")
    return layers


def looks(model: Sequential, texts: Sequence[Array]) -> list[Look]:
    """What each attention of several heads does with a text, or with a source and a target.

    Shapes      ids[time] of each text
    Raises      DoesNotApply where there is none.
    """
    named_heads(model)
    inputs = np.full((len(texts), max(map(len, texts))), PADDING)
    for row, ids in zip(inputs, texts, strict=True):
        row[: len(ids)] = ids
    _, caches = model.forward(inputs if len(texts) == 1 else inputs[None])
    return list(_kept(model.layers, caches, "", [len(ids) for ids in texts], len(texts) - 1))


def _kept(
    layers: Sequence[Layer], caches: Sequence[Any], within: str, lengths: list[int], text: int
) -> Iterator[Look]:
    """Of layers that go through this one of the texts."""
    for layer, cache in zip(layers, caches, strict=True):
        name = f"{within}{layer.name}"
        if isinstance(layer, Encoder):
            yield from _kept(layer.layers, cache.caches, f"{name}.", lengths, 0)
        elif isinstance(layer, Sequential):
            # A block may keep something of its own before what its layers keep.
            inside = cache[-len(layer.layers) :]
            yield from _kept(layer.layers, inside, f"{name}.", lengths, text)
        elif isinstance(layer, MultiHead):
            keys = 0 if isinstance(layer, CrossAttention) else text
            q, k, v, p = cache.attended
            m, n = lengths[text], lengths[keys]
            real = Attended(q[:, :, :m], k[:, :, :n], v[:, :, :n], p[:, :, :m, :n])
            yield Look(name, layer, text, keys, real)


def block_of(name: str) -> str:
    """The block that an attention stands in, by which it is told from all others of a model: of
    "encoder.attention1.selfattention1" "encoder.attention1"; its own name where it is in none."""
    return name.rpartition(".")[0] or name


def named(names: Sequence[str], asked: str) -> int:
    """The place of the attention that is asked for by its full name or by its block's.

    Raises      InputError where there is no such one.
    """
    for place, name in enumerate(names):
        if name == asked or name.startswith(f"{asked}."):
            return place
    raise InputError(f"no attention in layer {asked!r}; there is {', '.join(names)}")


def smaller(p: Array, side: int) -> Array:
    """A matrix of weights with at most `side` rows and columns: the mean over the queries of a
    block of what they give to all keys of a block together, so that a row still sums to 1.

    Shapes      p[..., queries, keys] -> [..., min(queries, side), min(keys, side)]
    """
    queries, keys = (
        np.linspace(0, length, min(length, side), endpoint=False).astype(int)
        for length in p.shape[-2:]
    )
    sizes = np.diff([*queries, p.shape[-2]])
    rows = np.add.reduceat(p, queries, axis=-2) / sizes[:, None]
    blocks: Array = np.add.reduceat(rows, keys, axis=-1)
    return blocks
