"""A vector for each word, character or other thing that has a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.initializers import Initializer, StandardNormal
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.randomness import stream

PADDING = -1
"""The id of a step at which there is nothing: a sequence that is shorter than its batch ends in it.
As a target it asks for nothing."""


class Embedding(Layer):
    """y = E[ids]: row number id of a table, for each id of a sequence.

    Shapes      ids[batch, time], integers from 0 to vocabulary − 1, or −1 where there is nothing
                E[vocabulary, features]   y[batch, time, features]

    Sequences of a batch differ in length, and the shorter ones are filled up with the id −1. Its
    row is 0, and so is its derivative.

    It is Dense without the work: with every id as a one-hot row x, which is 1 at the id and 0
    elsewhere, the product x E is row id of E.

    Derivatives, given dy = ∂L/∂y. A row of E is used wherever its id stands, each time with the
    factor 1, so the gradients of all those places add up:

        y[n, t]  = E[ids[n, t]]
        dE[v]    = Σ dy[n, t]  over all n, t with ids[n, t] = v        [vocabulary, features]
        dids     = 0

    `dE[ids] = dy` would keep the last place only, and `dE[ids] += dy` does as well: NumPy reads all
    rows before it writes any. An id is a name and no quantity, so there is no derivative with
    respect to it; zeros of its shape stand there, as for any step function, and every layer's
    backward has a gradient for its input.

    E starts as N(0, 1), as in PyTorch: the features of one id are the inputs of the next layer.

    Source      Bengio, Ducharme, Vincent, Jauvin, A neural probabilistic language model (2003),
                section 2, where the table is C.
    Raises      InputError that names the first id out of range, and its place.
    """

    equation = "y = E[ids]"
    axes = {
        "ids": ("batch", "time"),
        "E": ("vocabulary", "features"),
        "y": ("batch", "time", "features"),
    }
    parameter_names = ("E",)
    weights = ("E",)

    E: Array

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        name: str | None = None,
        weights: Initializer = StandardNormal(),
    ) -> None:
        super().__init__(name=name)
        if vocabulary < 1 or features < 1:
            raise InputError(
                f"{self}: sizes are at least 1, found vocabulary = {vocabulary}, "
                f"features = {features}"
            )
        self.sizes = {"vocabulary": vocabulary, "features": features}
        self.weight_initializer = weights

    def forward(self, ids: Array) -> tuple[Array, Array]:
        check_ids(self, ids)
        y = np.where(is_token(ids)[..., None], self.E[ids], 0)
        return y, ids

    def backward(self, dy: Array, ids: Array) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        check_places(self, dy, ids)
        dE = np.zeros_like(self.E)
        real = is_token(ids)
        np.add.at(dE, ids[real], dy[real])
        return np.zeros(ids.shape, dy.dtype), {"E": dE}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Embedding:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        vocabulary, features = self.sizes["vocabulary"], self.sizes["features"]
        self.E = self.weight_initializer.draw(
            rng, (vocabulary, features), vocabulary, features, dtype
        )
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.sizes["features"])


def is_token(ids: Array) -> Array:
    """Which ids stand for something, and are no padding."""
    real: Array = ids != PADDING
    return real


def check_ids(layer: Layer, ids: Array) -> None:
    """Refuse what is no array of integers, ids[batch, time], each below the layer's vocabulary, or
    PADDING.

    Raises      DTypeError, ShapeError, InputError
    """
    equation = layer.equation
    if not isinstance(ids, np.ndarray) or not np.issubdtype(ids.dtype, np.integer):
        found = ids.dtype if isinstance(ids, np.ndarray) else f"a {type(ids).__name__}"
        raise DTypeError(
            f"{layer}: ids is {found}, expected an array of integers ({equation}); "
            "convert it with np.asarray(ids, dtype=np.int64)"
        )
    if ids.ndim != 2:
        hint = "; for a batch of one write ids[None]" if ids.ndim == 1 else ""
        raise ShapeError(
            f"{layer}: ids has shape {ids.shape}, expected the axes ids[batch, time] "
            f"({equation}){hint}"
        )
    vocabulary = layer.sizes["vocabulary"]
    outside = np.argwhere((ids < PADDING) | (ids >= vocabulary))
    if len(outside):
        n, t = outside[0]
        raise InputError(
            f"{layer}: ids[{n}, {t}] is {ids[n, t]}, expected 0 to {vocabulary - 1} for "
            f"vocabulary = {vocabulary}, or {PADDING} for padding ({equation})"
        )


def check_places(layer: Layer, dy: Array, ids: Array) -> None:
    """Refuse a gradient that does not have one row for each id.

    Raises      ShapeError
    """
    if dy.shape[:2] != ids.shape:
        raise ShapeError(
            f"{layer}: dy has [batch, time] = {dy.shape[:2]}, ids has shape {ids.shape} "
            f"({layer.equation})"
        )


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": Embedding(5, 3).initialize(rng), "ids": rng.integers(5, size=(2, 7))}
