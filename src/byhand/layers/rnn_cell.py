"""One step of the plain recurrent layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.initializers import NormalFanIn
from byhand.layers.base import Array
from byhand.layers.recurrent import Cell, Kept, Recurrence


class RNNEquations(Recurrence):
    """h' = tanh(x Wx + h Wh + b) and its derivative; derived at RNNCell."""

    parameter_names = ("Wx", "Wh", "b")
    gates = 1

    def step(self, u: Array, h: Array) -> tuple[Array, Kept]:
        new = np.tanh(u + h @ self.Wh)
        return new, (h, new)

    def step_backward(self, dnew: Array, kept: Kept) -> tuple[Array, Array]:
        _, new = kept
        da = dnew * (1 - new * new)
        dh = da @ self.Wh.T
        return da, dh


class RNNCell(Cell, RNNEquations):
    """h' = tanh(x Wx + h Wh + b): what is new and what is remembered, weighed and squashed.

    Shapes      x[batch, in]   h, h'[batch, hidden]   Wx[in, hidden]   Wh[hidden, hidden]
                b[hidden]      the state is h

    Derivatives, given dh' = ∂L/∂h'. With a = x Wx + h Wh + b and tanh' = 1 − tanh²:

        da = dh' ⊙ (1 − h'²)      every unit of h' has its own a, and tanh acts on it alone

    a is a sum of two products and a bias, and each is a Dense layer's:

        dx = da Wxᵀ        dWx = xᵀ da        both sums have the same error da, each sends it to
        dh = da Whᵀ        dWh = hᵀ da        its own input and weight. h is the *old* state, the
        db = Σ_batch da                       factor of Wh in the forward pass; h' would be wrong

    Source      Elman, Finding structure in time (1990); Goodfellow, Bengio, Courville, Deep
                Learning, eqs. 10.8 and 10.9, transposed.
    """

    equation = "h' = tanh(x Wx + h Wh + b)"
    axes = {
        "x": ("batch", "in"),
        "Wx": ("in", "hidden"),
        "Wh": ("hidden", "hidden"),
        "b": ("hidden",),
        "state": ("batch", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this cell."""
    cell = RNNCell(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": cell, "x": rng.standard_normal((5, 4)), "state": rng.uniform(-1, 1, (5, 3))}
