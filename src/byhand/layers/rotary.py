"""Positions as rotations of queries and keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Layer

BASE = 10_000.0


def angles(positions: Array, width: int) -> Array:
    """θ[..., k] = position · 10000^(−2k/width) for the k-th of width/2 pairs, in float64: float32
    could be wrong by 10⁻³ at position 10,000."""
    frequencies = BASE ** (-np.arange(0, width, 2) / width)
    theta: Array = np.asarray(positions, np.float64)[..., None] * frequencies
    return theta


def turned(x: Array, theta: Array) -> Array:
    """(a cos θ − b sin θ, a sin θ + b cos θ), where a and b are the halves of x[..., d]."""
    a, b = np.split(x, 2, axis=-1)
    cos, sin = np.cos(theta).astype(x.dtype), np.sin(theta).astype(x.dtype)
    return np.concatenate((a * cos - b * sin, a * sin + b * cos), axis=-1)


class Rotary(Layer):
    """y = R(position) x: each pair of numbers is a point in a plane, and is turned by an angle that
    grows with the position.

    Shapes      x[batch, heads, time, d]   positions[batch, time]   y[batch, heads, time, d]

    The pairs are (x[k], x[k + d/2]) for k below d/2, the halves of x, as in the files of Hugging
    Face; the paper takes neighbours, which is the same up to the order of x. Each pair has an angle
    of its own, fast for small k, slow for large k:

        θ = position · 10000^(−2k/d)
        y[k]       = x[k] cos θ − x[k + d/2] sin θ
        y[k + d/2] = x[k] sin θ + x[k + d/2] cos θ          y = R x, pair by pair

    Queries and keys are turned, and what attention sees of them is their product:

        (R(m) q) · (R(n) k) = qᵀ R(m)ᵀ R(n) k = q · R(n − m) k

    since turning back by m and on by n is turning by n − m. So only the distance counts, and a key
    that was turned once, at its own position, can be kept for all queries to come.

    Derivatives, given dy = ∂L/∂y. y = R x is a linear map, so

        dx = Rᵀ dy = R(−position) dy

                the transpose of a rotation is the rotation back: cos stays, sin changes its sign.
                A position is a name and no quantity, and has no gradient.
    Source      Su et al., RoFormer (2021), eqs. 13 to 16 and 34.
    """

    equation = "y = R(position) x"
    axes = {
        "x": ("batch", "heads", "time", "d"),
        "y": ("batch", "heads", "time", "d"),
    }

    def forward(  # type: ignore[override]  # a position beside the input
        self, x: Array, positions: Array
    ) -> tuple[Array, Array]:
        self.check(x=x)
        if x.shape[-1] % 2:
            raise ShapeError(
                f"{self}: x has d = {x.shape[-1]}, expected pairs, so d is even ({self.equation})"
            )
        if np.shape(positions) != (len(x), x.shape[2]):
            raise ShapeError(
                f"{self}: positions has shape {np.shape(positions)}, x has [batch, time] = "
                f"{(len(x), x.shape[2])} ({self.equation})"
            )
        theta = angles(positions, x.shape[-1])[:, None]
        y = turned(x, theta)
        return y, theta

    def backward(self, dy: Array, theta: Array) -> tuple[Array, Gradients]:
        self.check(dy=dy)
        dx = turned(dy, -theta)
        return dx, {}


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    positions = rng.integers(0, 9, (2, 3))
    return {"self": Rotary(), "x": rng.standard_normal((2, 2, 3, 4)), "positions": positions}
