"""Layers one after the other: the chain rule as a loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.bidirectional import Bidirectional
from byhand.layers.dropout import Dropout
from byhand.layers.embedding import PADDING, is_token
from byhand.layers.memory import Memory, MemoryLayer
from byhand.layers.positions import Positions
from byhand.layers.recurrent import Cell, RecurrentLayer
from byhand.layers.self_attention import SelfAttention
from byhand.randomness import stream

T = TypeVar("T")
OverSteps = RecurrentLayer | SelfAttention | Positions
"""Layers that are told which steps are real, and that start from a state and leave one."""


class Sequential(Layer):
    """y = f_L(… f₂(f₁(x))): the output of each layer is the input of the next.

    Derivatives  the chain rule, from the last layer to the first. Each layer is given ∂L/∂(its
                 output) and hands back ∂L/∂(its input), which is ∂L/∂(the output of the layer
                 before); on the way it gives the gradients of its own parameters.

    A layer without a name is called after its kind and place: dense1, sigmoid1, dense2. Parameters
    and gradients are named "layer.symbol", such as "dense1.W". A Sequential among the layers is
    replaced by its layers.

    Where x is ids[batch, time] and some are padding, every layer over steps, a recurrent one or an
    attention, is told which of them are real. Its state is that of one who has seen nothing unless
    `states` has another, by the layer's name.

    A Residual stays what it is, a Sequential among the layers. What is inside of it is named
    "block.layer": its parameters "block.layer.symbol", its states, the masks of its dropout.

    Source       Rumelhart, Hinton, Williams, Learning representations by back-propagating errors
                 (1986).
    """

    equation = "y = f_L(… f₁(x))"
    axes = {"x": ("...",), "y": ("...",)}
    encodes: ClassVar[bool] = False
    """Whether it gives a memory to the layers after it, as an Encoder does."""

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(name=name)
        self.layers: list[Layer] = []
        self._named_here: list[int] = []
        for layer in layers:
            if type(layer) is Sequential:
                # Names by place are made anew: the places have changed.
                for place in layer._named_here:
                    layer.layers[place].name = None
                self.layers += layer.layers
            else:
                self.layers.append(layer)
        if not self.layers:
            raise InputError(f"{self} needs at least one layer, found none")
        if cells := [layer for layer in self.layers if isinstance(layer, Cell)]:
            kind = type(cells[0]).__name__
            raise InputError(
                f"{self}: {kind} is a single step, whose state goes in and out; "
                f"the layer that reads a whole sequence is {kind.removesuffix('Cell')}"
            )
        if len(set(map(id, self.layers))) < len(self.layers):
            raise InputError(f"{self} holds one layer object twice; make one for each place")
        self._name_layers()

    def _name_layers(self) -> None:
        kinds: dict[str, int] = {}
        for place, layer in enumerate(self.layers):
            kind = type(layer).__name__.lower()
            kinds[kind] = kinds.get(kind, 0) + 1
            if not layer.name:
                layer.name = f"{kind}{kinds[kind]}"
                self._named_here.append(place)
        names = [str(layer.name) for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f'{self}: two layers are named "{name}"; names must differ')
            if "." in name:
                raise InputError(f'{self}: a layer is named "{name}"; a name has no dot')

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
        memory: Memory | None = None,
    ) -> tuple[Array, list[Any]]:
        """The output and what each layer kept. Masks by layer name, be they none, make it a
        training pass.

        real    which steps are no padding, where x is no longer the ids that say so
        memory  what an encoder before these layers says
        """
        passed = list(self._one_by_one(x, masks, states, real, memory))
        return passed[-1][1], [cache for _, _, cache in passed]

    def _one_by_one(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
        memory: Memory | None = None,
    ) -> Iterator[tuple[Layer, Array, Any]]:
        """Each layer with its output and what it kept."""
        real = real_steps(x) if real is None else real
        cache: Any
        for layer in self.layers:
            name = str(layer.name)
            if isinstance(layer, Sequential):
                inside = within(name, masks), within(name, states)
                x, cache = layer.forward(x, *inside, real, memory)
                if layer.encodes:
                    memory, real = layer.memory_of(cache), real_steps(x)
            elif isinstance(layer, MemoryLayer):
                if memory is None:
                    raise InputError(
                        f"{layer} looks at a memory, and there is no Encoder before it "
                        f"({layer.equation})"
                    )
                x, cache = layer.forward(x, memory.m, real, memory.real)
            elif isinstance(layer, Dropout) and masks is not None:
                x, cache = layer.forward(x, masks.get(name))
            elif isinstance(layer, OverSteps):
                x, cache = layer.forward(x, (states or {}).get(name), real)
            elif isinstance(layer, Bidirectional):
                x, cache = layer.forward(x, mask=real)
            elif masks is not None and layer.statistics:
                x, cache = layer.forward(x, training=True)  # type: ignore[call-arg]
            else:
                x, cache = layer.forward(x)
            yield layer, x, cache

    def backward(self, dy: Array, caches: list[Any]) -> tuple[Array, Gradients]:
        dx, _, gradients = self.backward_with_memory(dy, caches)
        return dx, gradients

    def backward_with_memory(
        self, dy: Array, caches: list[Any]
    ) -> tuple[Array, Array | None, Gradients]:
        """dx, ∂L/∂(the memory that the layers were given), None where none looked at it, and the
        gradients of the parameters."""
        gradients: Gradients = {}
        dm: Array | None = None
        more: Array | None
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            if isinstance(layer, Sequential) and layer.encodes:
                # From here on back it was the encoder's own memory, and is nobody's any more.
                dy, own = layer.backward(dm, cache)  # type: ignore[arg-type]
                more = dm = None
            elif isinstance(layer, Sequential):
                dy, more, own = layer.backward_with_memory(dy, cache)
            elif isinstance(layer, MemoryLayer):
                dy, more, own = layer.backward(dy, cache)
            else:
                (dy, own), more = layer.backward(dy, cache), None
            if more is not None:
                dm = more if dm is None else dm + more
            for symbol, gradient in own.items():
                gradients[f"{layer.name}.{symbol}"] = gradient
        return dy, dm, gradients

    def memory_of(self, cache: Any) -> Memory:
        """What the layers after this one look at, where it `encodes`."""
        raise NotImplementedError

    def final_states(self, caches: list[Any]) -> dict[str, Array]:
        """The states after the last step, by layer, to start the next piece of a sequence from."""
        states = {}
        for layer, cache in zip(self.layers, caches, strict=True):
            if isinstance(layer, OverSteps):
                states[str(layer.name)] = layer.final_state(cache)
            elif isinstance(layer, Sequential):
                inner = layer.final_states(cache)
                states |= {f"{layer.name}.{name}": state for name, state in inner.items()}
        return states

    def updated_statistics(self, caches: list[Any]) -> dict[str, Array]:
        """The statistics of all layers, by their full names, after a training pass."""
        return {
            f"{layer.name}.{symbol}": value
            for layer, cache in zip(self.layers, caches, strict=True)
            for symbol, value in layer.updated_statistics(cache).items()
        }

    def activations(self, x: Array) -> dict[str, Array]:
        """The output of each layer by its name, in evaluation."""
        return {str(layer.name): y for layer, y, _ in self._one_by_one(x)}

    def initialize(  # type: ignore[override]  # a seed: each layer below gets its own stream
        self, seed: int = 0, dtype: DTypeLike = np.float64
    ) -> Sequential:
        """Draw all parameters; layer k has a stream of its own, so its numbers do not depend on
        the layers around it."""
        for k, layer in enumerate(self.layers):
            layer.initialize(stream(seed, "parameters", k), dtype)
        return self

    def draw_masks(
        self,
        batch: int,
        input_shape: Shape,
        seed: int,
        step: int,
        dtype: DTypeLike,
        first: int = 0,
    ) -> dict[str, Array]:
        """The masks of one training step, the same for every engine that asks for this step.

        first   what the places of the layers are counted from: 0, and within the k-th layer of a
                model (k + 1) · 2¹⁶, so that each dropout has a stream of its own
        """
        masks = {}
        shape = input_shape
        for k, layer in enumerate(self.layers, first):
            if isinstance(layer, Dropout):
                rng = stream(seed, "dropout", step, k)
                masks[str(layer.name)] = layer.draw_mask((batch, *shape), rng, dtype)
            elif isinstance(layer, Sequential):
                inner = layer.draw_masks(batch, shape, seed, step, dtype, (k + 1) << 16)
                masks |= {f"{layer.name}.{name}": mask for name, mask in inner.items()}
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


def within(name: str, values: Mapping[str, T] | None) -> dict[str, T] | None:
    """Of values by their full names those inside of one layer, by their names there."""
    if values is None:
        return None
    start = f"{name}."
    return {n.removeprefix(start): v for n, v in values.items() if n.startswith(start)}


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
