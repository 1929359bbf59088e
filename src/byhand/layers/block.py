"""Layers that count as one layer of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.layers.base import Layer
from byhand.layers.sequential import Sequential


class Block(Sequential):
    """Layers one after the other that are one layer of a Sequential.

    A parameter is named by its layer and symbol here, such as "expand.W", and in a model by the
    block's name before that: "block1.expand.W". So are states and the masks of a dropout.
    """

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(*layers, name=name)
        # What other layers declare once for their class depends here on the layers inside.
        inside = {
            f"{layer.name}.{symbol}": tuple(f"{layer.name} {axis}" for axis in layer.axes[symbol])
            for layer in self.layers
            for symbol in layer.parameter_names
        }
        vars(self)["axes"] = type(self).axes | inside

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Block:
        number = seed if isinstance(seed, int) else int(seed.integers(2**31))
        super().initialize(number, dtype)
        return self

    @property
    def parameter_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._of_all("parameter_names")

    @property
    def weights(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._of_all("weights")

    @property
    def statistics(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._of_all("statistics")

    def _of_all(self, what: str) -> tuple[str, ...]:
        return tuple(f"{layer.name}.{s}" for layer in self.layers for s in getattr(layer, what))

    def __getattr__(self, symbol: str) -> Any:
        name, dot, own = symbol.partition(".")
        if not dot:
            raise AttributeError(f"{type(self).__name__} has no attribute {symbol!r}")
        return getattr(self._layer(name), own)

    def __setattr__(self, symbol: str, value: Any) -> None:
        name, dot, own = symbol.partition(".")
        if dot:
            setattr(self._layer(name), own, value)
        else:
            super().__setattr__(symbol, value)

    def _layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)
