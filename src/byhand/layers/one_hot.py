"""Numbers that are names, as rows of a single 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.embedding import check_ids, check_places


class OneHot(Layer):
    """y[n, t, v] = 1 where v = ids[n, t], and 0 elsewhere.

    Shapes      ids[batch, time], integers from 0 to vocabulary − 1, or −1 for padding, whose row is
                all 0   y[batch, time, vocabulary]
    Derivative  an id is a name and no quantity, and there is nothing to learn:

        dids = 0

                as for any step function. A layer x W + b after it picks row id of W, so the two
                are Embedding with the table W, and a bias.
    Source      Elman, Finding structure in time (1990), who gives each word one unit of its own.
    Raises      InputError that names the first id out of range, and its place.
    """

    equation = "y = [v = ids]"
    axes = {"ids": ("batch", "time"), "y": ("batch", "time", "vocabulary")}

    def __init__(self, vocabulary: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if vocabulary < 1:
            raise InputError(f"{self}: vocabulary is at least 1, found {vocabulary}")
        self.sizes = {"vocabulary": vocabulary}
        self.dtype: np.dtype[Any] = np.dtype(np.float64)

    def forward(self, ids: Array) -> tuple[Array, Array]:
        check_ids(self, ids)
        y = (ids[..., None] == np.arange(self.sizes["vocabulary"])).astype(self.dtype)
        return y, ids

    def backward(self, dy: Array, ids: Array) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        check_places(self, dy, ids)
        return np.zeros(ids.shape, dy.dtype), {}

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> OneHot:
        """Nothing is drawn, but what has no parameters has to be told in which dtype to answer."""
        self.dtype = np.dtype(dtype)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.sizes["vocabulary"])


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    return {"self": OneHot(5), "ids": rng.integers(5, size=(2, 7))}
