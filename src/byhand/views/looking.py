"""Which layers of a network look at other steps, wherever they stand, and at what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError
from byhand.layers import Layer, SelfAttention, Sequential
from byhand.layers.attention import Attended
from byhand.layers.multi_head import MultiHead
from byhand.views.subject import DoesNotApply

Array = NDArray[Any]


class Look(NamedTuple):
    """An attention by its full name, such as "attention1.selfattention1", and what it kept."""

    name: str
    layer: SelfAttention
    attended: Attended


def with_heads(layers: Sequence[Layer], within: str = "") -> Iterator[tuple[str, MultiHead]]:
    """All attentions of several heads by their full names, those inside of blocks included."""
    for layer in layers:
        name = f"{within}{layer.name}"
        if isinstance(layer, Sequential):
            yield from with_heads(layer.layers, f"{name}.")
        elif isinstance(layer, MultiHead):
            yield name, layer


def looks(model: Sequential, ids: Array) -> list[Look]:
    """What each self-attention does with ids[time].

    Raises      DoesNotApply where there is none.
    """
    if not any(isinstance(layer, SelfAttention) for _, layer in with_heads(model.layers)):
        raise DoesNotApply("attention is needed, and the network has no layer that attends")
    _, caches = model.forward(ids[None])
    return list(_kept(model.layers, caches, ""))


def _kept(layers: Sequence[Layer], caches: Sequence[Any], within: str) -> Iterator[Look]:
    for layer, cache in zip(layers, caches, strict=True):
        name = f"{within}{layer.name}"
        if isinstance(layer, Sequential):
            # A block may keep something of its own before what its layers keep.
            yield from _kept(layer.layers, cache[-len(layer.layers) :], f"{name}.")
        elif isinstance(layer, SelfAttention):
            yield Look(name, layer, cache.attended)


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
