"""The first half of an encoder–decoder model: a sequence becomes a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.block import Block
from byhand.layers.embedding import is_token
from byhand.layers.memory import Memory


class Encoded(NamedTuple):
    """What an encoder leaves behind."""

    ids: Array
    m: Array
    real: Array
    caches: list[Any] | None
    """Of the layers inside; None where the memory was given."""


class Encoder(Block):
    """m = f(source), y = target: of a pair of sentences the first becomes the memory that the
    layers after this one look at, and the second goes on to them.

    Shapes      x[batch, 2, time], ids: x[:, 0] is the source, x[:, 1] the target, −1 is padding
                m[batch, time, annotation]   y[batch, time]

    f is layers one after the other, from an embedding to one vector for each word. Every later
    layer of the model that looks at a memory, be it inside of a block, has m for it.

    Derivative  y is ids, and no dy comes back from there. m is used by every layer that looks at
                it, and their gradients add up; `backward` takes that sum, dm, in the place of dy.

        dm = Σ_layers dm of each        and then through f

    The state, "memory", is m and a 1 for a step that is real, 0 for padding: one row for each
    step. From a state on, the source is not read again, whatever x[:, 0] holds: so a decoder reads
    its own words one by one and has the source encoded once.

    Source      Cho et al., Learning phrase representations using RNN encoder–decoder (2014);
                Sutskever, Vinyals, Le, Sequence to sequence learning (2014).
    Raises      ShapeError, DTypeError, InputError
    """

    equation = "m = f(source), y = target"
    axes = {"x": ("batch", "2", "time"), "m": ("batch", "time", "annotation")}
    encodes = True

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(*layers, name=name)
        if any(isinstance(layer, Encoder) for layer in self.layers):
            raise InputError(f"{self} is made of layers that read one sentence, found an Encoder")

    def forward(
        self,
        x: Array,
        masks: Mapping[str, Array] | None = None,
        states: Mapping[str, Array] | None = None,
        real: Array | None = None,
        memory: Memory | None = None,
    ) -> tuple[Array, Any]:
        self._check_pairs(x.shape[1:], x.dtype)
        state = (states or {}).get("memory")
        if state is not None:
            self._check_state(len(x), state)
            return x[:, 1], Encoded(x, state[..., :-1], state[..., -1] != 0, None)
        source = x[:, 0]
        m, caches = super().forward(source, masks)
        return x[:, 1], Encoded(x, m, is_token(source), caches)

    def memory_of(self, cache: Encoded) -> Memory:
        return Memory(cache.m, cache.real)

    def backward(  # type: ignore[override]  # the gradient is the memory's
        self, dm: Array | None, cache: Encoded
    ) -> tuple[Array, Gradients]:
        """dx, which is 0, and the gradients, for dm = ∂L/∂m; None where nobody looked at it."""
        if cache.caches is None:
            raise InputError(f"{self}: its memory was given, so no source was read to learn from")
        dm = np.zeros_like(cache.m) if dm is None else dm
        _, gradients = super().backward(dm, cache.caches)
        return np.zeros(cache.ids.shape, dm.dtype), gradients

    def final_states(self, cache: Encoded) -> dict[str, Array]:  # type: ignore[override]
        flags = cache.real[..., None].astype(cache.m.dtype)
        return {"memory": np.concatenate((cache.m, flags), axis=2)}

    def updated_statistics(self, cache: Encoded) -> dict[str, Array]:  # type: ignore[override]
        return {} if cache.caches is None else super().updated_statistics(cache.caches)

    def state_shape(self, batch: int, source: int = 0) -> Shape:
        return batch, source, super().output_shape((1,))[-1] + 1

    def draw_masks(
        self,
        batch: int,
        input_shape: Shape,
        seed: int,
        step: int,
        dtype: DTypeLike,
        first: int = 0,
    ) -> dict[str, Array]:
        return super().draw_masks(batch, input_shape[1:], seed, step, dtype, first)

    def output_shape(self, input_shape: Shape) -> Shape:
        self._check_pairs(input_shape, np.dtype(np.int64))
        super().output_shape(input_shape[1:])
        return input_shape[1:]

    def _check_pairs(self, example: Shape, dtype: np.dtype[Any]) -> None:
        if len(example) != 2 or example[0] != 2:
            raise ShapeError(
                f"{self}: an example of x has shape {example}, expected (2, time), source and "
                f"target ({self.equation})"
            )
        if dtype.kind not in "iu":
            raise DTypeError(f"{self}: x is {dtype}, expected integers, ids ({self.equation})")

    def _check_state(self, batch: int, state: Array) -> None:
        expected = self.state_shape(batch, state.shape[1] if state.ndim == 3 else 0)
        if state.shape != expected:
            raise ShapeError(
                f"{self}: memory has shape {state.shape}, expected {expected} = "
                f"[batch, time, annotation + 1] ({self.equation})"
            )
