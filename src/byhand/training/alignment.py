"""What a model looked at while it wrote: the weights of each attention to the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from byhand.layers import Layer, Sequential
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.memory import MemoryLayer
from byhand.layers.summary import Summary

Array = NDArray[Any]


def alignments(model: Sequential, inputs: Array) -> dict[str, Array]:
    """How much each step of the target looks at each step of the source, by the full name of the
    layer that looks; from what the layers keep when they run as they are written.

    Shapes      inputs[batch, 2, time] -> p[batch, heads, time, time] of each; an attention that has
                no heads counts as one
    """
    _, caches = model.forward(inputs)
    found = {}
    for name, layer, cache in _looking(model.layers, caches, ""):
        crosses = isinstance(layer, CrossAttention)
        found[name] = cache.attended.p if crosses else cache.p[:, None]
    return found


def _looking(
    layers: Sequence[Layer], caches: Sequence[Any], within: str
) -> Iterator[tuple[str, Layer, Any]]:
    """The attentions to a memory, those inside of blocks included, and what each of them kept."""
    for layer, cache in zip(layers, caches, strict=True):
        name = f"{within}{layer.name}"
        if isinstance(layer, Sequential):
            if not layer.encodes:
                # A block may keep something of its own before what its layers keep.
                inside = cache[-len(layer.layers) :]
                yield from _looking(layer.layers, inside, f"{name}.")
        elif isinstance(layer, MemoryLayer) and not isinstance(layer, Summary):
            yield name, layer, cache
