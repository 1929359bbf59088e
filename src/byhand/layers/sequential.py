"""Layers one after the other: the chain rule as a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.bidirectional import Bidirectional
from byhand.layers.dropout import Dropout
from byhand.layers.embedding import PADDING, is_token
from byhand.layers.recurrent import Cell, RecurrentLayer
from byhand.randomness import stream


class Sequential(Layer):
    """y = f_L(… f₂(f₁(x))): the output of each layer is the input of the next.

    Derivatives  the chain rule, from the last layer to the first. Each layer is given ∂L/∂(its
                 output) and hands back ∂L/∂(its input), which is ∂L/∂(the output of the layer
                 before); on the way it gives the gradients of its own parameters.

    A layer without a name is called after its kind and place: dense1, sigmoid1, dense2. Parameters
    and gradients are named "layer.symbol", such as "dense1.W". A Sequential among the layers is
    replaced by its layers.

    Where x is ids[batch, time] and some are padding, every recurrent layer is told which steps are
    real. Its state is zeros at the first step unless `states` has another, by the layer's name.

    Source       Rumelhart, Hinton, Williams, Learning representations by back-propagating errors
                 (1986).
    """

    equation = "y = f_L(… f₁(x))"
    axes = {"x": ("...",), "y": ("...",)}

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(name=name)
        self.layers: list[Layer] = []
        self._named_here: list[Layer] = []
        for layer in layers:
            if isinstance(layer, Sequential):
                # Names by place are made anew: the places have changed.
                for inner in layer._named_here:
                    inner.name = None
                self.layers += layer.layers
            else:
                self.layers.append(layer)
        if not self.layers:
            raise InputError("Sequential needs at least one layer, found none")
        if cells := [layer for layer in self.layers if isinstance(layer, Cell)]:
            kind = type(cells[0]).__name__
            raise InputError(
                f"Sequential: {kind} is a single step, whose state goes in and out; "
                f"the layer that reads a whole sequence is {kind.removesuffix('Cell')}"
            )
        if len(set(map(id, self.layers))) < len(self.layers):
            raise InputError("Sequential holds one layer object twice; make one for each place")
        self._name_layers()

    def _name_layers(self) -> None:
        kinds: dict[str, int] = {}
        for layer in self.layers:
            kind = type(layer).__name__.lower()
            kinds[kind] = kinds.get(kind, 0) + 1
            if not layer.name:
                layer.name = f"{kind}{kinds[kind]}"
                self._named_here.append(layer)
        names = [str(layer.name) for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f'Sequential: two layers are named "{name}"; names must differ')
            if "." in name:
                raise InputError(f'Sequential: a layer is named "{name}"; a name has no dot')

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
    ) -> tuple[Array, list[Any]]:
        """The output and what each layer kept. Masks by layer name, be they none, make it a
        training pass."""
        real = real_steps(x)
        caches: list[Any] = []
        cache: Any
        for layer in self.layers:
            name = str(layer.name)
            if isinstance(layer, Dropout) and masks is not None:
                x, cache = layer.forward(x, masks.get(name))
            elif isinstance(layer, RecurrentLayer):
                x, cache = layer.forward(x, (states or {}).get(name), real)
            elif isinstance(layer, Bidirectional):
                x, cache = layer.forward(x, mask=real)
            elif masks is not None and layer.statistics:
                x, cache = layer.forward(x, training=True)  # type: ignore[call-arg]
            else:
                x, cache = layer.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dy: Array, caches: list[Any]) -> tuple[Array, Gradients]:
        gradients: Gradients = {}
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            dy, own = layer.backward(dy, cache)
            for symbol, gradient in own.items():
                gradients[f"{layer.name}.{symbol}"] = gradient
        return dy, gradients

    def final_states(self, caches: list[Any]) -> dict[str, Array]:
        """The states after the last step, by layer, to start the next piece of a sequence from."""
        return {
            str(layer.name): layer.final_state(cache)
            for layer, cache in zip(self.layers, caches, strict=True)
            if isinstance(layer, RecurrentLayer)
        }

    def updated_statistics(self, caches: list[Any]) -> dict[str, Array]:
        """The statistics of all layers, by their full names, after a training pass."""
        return {
            f"{layer.name}.{symbol}": value
            for layer, cache in zip(self.layers, caches, strict=True)
            for symbol, value in layer.updated_statistics(cache).items()
        }

    def activations(self, x: Array) -> dict[str, Array]:
        """The output of each layer by its name, in evaluation."""
        real = real_steps(x)
        outputs = {}
        for layer in self.layers:
            if isinstance(layer, RecurrentLayer | Bidirectional):
                x, _ = layer.forward(x, mask=real)
            else:
                x, _ = layer.forward(x)
            outputs[str(layer.name)] = x
        return outputs

    def initialize(  # type: ignore[override]  # a seed: each layer below gets its own stream
        self, seed: int = 0, dtype: DTypeLike = np.float64
    ) -> Sequential:
        """Draw all parameters; layer k has a stream of its own, so its numbers do not depend on
        the layers around it."""
        for k, layer in enumerate(self.layers):
            layer.initialize(stream(seed, "parameters", k), dtype)
        return self

    def draw_masks(
        self, batch: int, input_shape: Shape, seed: int, step: int, dtype: DTypeLike
    ) -> dict[str, Array]:
        """The masks of one training step, the same for every engine that asks for this step."""
        masks = {}
        shape = input_shape
        for k, layer in enumerate(self.layers):
            if isinstance(layer, Dropout):
                rng = stream(seed, "dropout", step, k)
                masks[str(layer.name)] = layer.draw_mask((batch, *shape), rng, dtype)
            shape = layer.output_shape(shape)
        return masks

    def output_shape(self, input_shape: Shape) -> Shape:
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    @property
    def parameters(self) -> dict[str, Array]:
        return {
            f"{layer.name}.{symbol}": value
            for layer in self.layers
            for symbol, value in layer.parameters.items()
        }

    @property
    def trained(self) -> dict[str, Array]:
        """The parameters that have a gradient: all of them but running statistics."""
        names = {f"{layer.name}.{s}" for layer in self.layers for s in layer.statistics}
        return {name: value for name, value in self.parameters.items() if name not in names}

    @property
    def weight_names(self) -> frozenset[str]:
        """The parameters that a regularizer may touch, by their full names."""
        return frozenset(f"{layer.name}.{s}" for layer in self.layers for s in layer.weights)

    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Replace all parameters; names and shapes must be those of the model.

        Raises      InputError, which names the parameter that is missing, unknown or misshapen.
        """
        own = self.parameters
        if unknown := sorted(set(values) - set(own)):
            raise InputError(f"the model has no parameter {unknown[0]}; it has {', '.join(own)}")
        for layer in self.layers:
            for symbol, old in layer.parameters.items():
                name = f"{layer.name}.{symbol}"
                if name not in values:
                    raise InputError(f"parameter {name} is missing; expected {', '.join(own)}")
                if values[name].shape != old.shape:
                    raise InputError(
                        f"{layer}: {symbol} has shape {values[name].shape}, "
                        f"expected {old.shape} ({layer.equation})"
                    )
        for layer in self.layers:
            for symbol in layer.parameter_names:
                setattr(layer, symbol, values[f"{layer.name}.{symbol}"])


def real_steps(x: Array) -> Array | None:
    """Where x is ids, which of its steps are no padding; None where all are."""
    if x.dtype.kind not in "iu" or not np.any(x == PADDING):
        return None
    return is_token(x)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    from byhand.layers import Dense, Tanh

    layer = Sequential(Dense(4, 3), Tanh(), Dense(3, 2)).initialize(int(rng.integers(100)))
    return {"self": layer, "x": rng.standard_normal((5, 4))}
