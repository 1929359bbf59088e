"""What describes the layers of a model to C++."""

from __future__ import annotations

from byhand.layers import Bidirectional, Layer, Sequential


def described(model: Sequential, first: int = 0) -> list[tuple[str, dict[str, float]]]:
    """The layers as C++ makes them, each with its place, from which dropout has its stream; those
    inside of a block follow it."""
    found: list[tuple[str, dict[str, float]]] = []
    for place, layer in enumerate(model.layers, first):
        if isinstance(layer, Sequential):
            inside = described(layer, (place + 1) << 16)
            found += [(type(layer).__name__, {"inside": len(inside)}), *inside]
        else:
            found.append((type(layer).__name__, {**_numbers_of(layer), "place": place}))
    return found


def _numbers_of(layer: Layer) -> dict[str, float]:
    """What describes a layer to C++: its sizes and settings. The two layers of a Bidirectional have
    theirs with the direction in front, and their kind as a name that is there."""
    numbers = {**layer.sizes, **layer.settings}
    if isinstance(layer, Bidirectional):
        for direction, one in layer.directions.items():
            own = {**one.sizes, **one.settings, type(one).__name__: 1}
            numbers |= {f"{direction}_{name}": value for name, value in own.items()}
    return numbers
