"""A path around some layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.sequential import Sequential


class Residual(Sequential):
    """y = x + f(x), where f is layers one after the other.

    Shapes      x[...]   y[...], the shape of f(x), too
    Derivative  x reaches y twice, once as it is and once through f, and the two add up:

        dx = dy + f′(x)ᵀ dy     where f′(x)ᵀ dy is what f's own backward makes of dy

                However many blocks there are, dy comes to each of them along the sum alone, as it
                is; no product along the way can make it vanish.

    The two blocks of a Transformer, N the normalisation:

        pre-norm    Residual(N, f)              x + f(N(x))     the sum is never normalised
        post-norm   Residual(f), then N         N(x + f(x))     as in the paper of 2017

    A parameter is named by its layer and symbol here, such as "expand.W", and in a model by the
    block's name before that: "block1.expand.W". So are states and the masks of a dropout.

    Source      He, Zhang, Ren, Sun, Deep residual learning for image recognition (2015), eq. 1;
                Xiong et al., On layer normalization in the Transformer architecture (2020), for
                pre- and post-norm.
    """

    equation = "y = x + f(x)"

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(*layers, name=name)
        # What other layers declare once for their class depends here on the layers inside.
        inside = {
            f"{layer.name}.{symbol}": tuple(f"{layer.name} {axis}" for axis in layer.axes[symbol])
            for layer in self.layers
            for symbol in layer.parameter_names
        }
        vars(self).update(axes={"x": self.axes["x"], **inside, "y": self.axes["y"]})

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
    ) -> tuple[Array, list[Any]]:
        y, caches = super().forward(x, masks, states, real)
        self._check_sum(x.shape, y.shape)
        return x + y, caches

    def backward(self, dy: Array, caches: list[Any]) -> tuple[Array, Gradients]:
        dx, gradients = super().backward(dy, caches)
        return dy + dx, gradients

    def output_shape(self, input_shape: Shape) -> Shape:
        self._check_sum(input_shape, super().output_shape(input_shape))
        return input_shape

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Residual:
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

    def _check_sum(self, x: Shape, y: Shape) -> None:
        if x != y:
            raise ShapeError(f"{self}: x has shape {x}, f(x) {y} ({self.equation})")

    def __getattr__(self, symbol: str) -> Any:
        name, dot, own = symbol.partition(".")
        if not dot:
            raise AttributeError(f"Residual has no attribute {symbol!r}")
        return getattr(self._layer(name), own)

    def __setattr__(self, symbol: str, value: Any) -> None:
        name, dot, own = symbol.partition(".")
        if dot:
            setattr(self._layer(name), own, value)
        else:
            super().__setattr__(symbol, value)

    def _layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: a block of a Transformer, pre-norm."""
    from byhand.layers import Dense, LayerNorm
    from byhand.layers.gelu import GELU

    layer = Residual(LayerNorm(4), Dense(4, 3), GELU(), Dense(3, 4)).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 3, 4))}
