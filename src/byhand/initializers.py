"""How parameters start. Each initializer draws in float64 and then casts, so that float32 and
float64 models with one seed start from the same numbers.

`fan_in` and `fan_out` are the numbers of inputs and outputs that one unit is connected to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from byhand.errors import InputError

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer:
    """Draws an array of a shape for units with fan_in inputs and fan_out outputs."""

    def draw(
        self, rng: Generator, shape: Shape, fan_in: int, fan_out: int, dtype: DTypeLike
    ) -> Array:
        return self.sample(rng, shape, fan_in, fan_out).astype(dtype)

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """The same in float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class StandardNormal(Initializer):
    """w ~ N(0, 1).

    With n inputs of order one, z has standard deviation √n: sigmoid units start saturated.
    Source      Nielsen, ch. 1 (the first `Network`), and ch. 3 on what is wrong with it.
    """

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.standard_normal(shape)


@dataclass(frozen=True)
class NormalFanIn(Initializer):
    """w ~ N(0, 1/fan_in): z keeps the standard deviation of the inputs.

    Source      LeCun et al., Efficient BackProp (1998), eq. 16; Nielsen, ch. 3.
    """

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.standard_normal(shape) / math.sqrt(fan_in)


@dataclass(frozen=True)
class Glorot(Initializer):
    """w ~ U(−r, r) with r = √(6 / (fan_in + fan_out)), so that Var w = 2 / (fan_in + fan_out).

    A compromise between keeping the variance of activations (1/fan_in) and of gradients
    (1/fan_out).
    Source      Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
                networks (2010), eq. 16.
    """

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        r = math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-r, r, shape)


@dataclass(frozen=True)
class He(Initializer):
    """w ~ N(0, 2/fan_in): a ReLU passes half of its inputs on, the factor 2 makes up for it.

    Source      He et al., Delving deep into rectifiers (2015), eq. 10.
    """

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.standard_normal(shape) * math.sqrt(2 / fan_in)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """W with orthonormal rows or columns, whichever are fewer: lengths are kept, not only on
    average.

    The Q of a normal matrix's QR decomposition, with the signs of R's diagonal moved into it;
    without that Q would not be uniformly distributed. Axes after the first count as one.
    Source      Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in
                deep linear neural networks (2014); Mezzadri (2007) on the signs.
    Raises      InputError for a shape of fewer than two axes.
    """

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        if len(shape) < 2:
            raise InputError(f"orthogonal needs a matrix, found shape {shape}; give biases zeros")
        rows, columns = shape[0], math.prod(shape[1:])
        normal = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))
        return (q if rows >= columns else q.T).reshape(shape)


@dataclass(frozen=True)
class Zeros(Initializer):
    """w = 0. Right for biases; weights that all start equal stay equal, and learn nothing else."""

    def sample(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.zeros(shape)
