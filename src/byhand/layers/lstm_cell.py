"""One step of the LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Orthogonal, Zeros
from byhand.layers.base import Array, Shape
from byhand.layers.recurrent import Cell, Kept, Recurrence
from byhand.layers.sigmoid import sigmoid


class LSTMEquations(Recurrence):
    """c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c') and their derivative; derived at LSTMCell.

    forget_bias     what f's bias starts with, beside what `biases` draws
    """

    parameter_names = ("Wx", "Wh", "b")
    gates = 4

    def __init__(
        self,
        n_in: int,
        hidden: int,
        *,
        forget_bias: float = 1.0,
        name: str | None = None,
        weights: Initializer = NormalFanIn(),
        recurrent_weights: Initializer = Orthogonal(),
        biases: Initializer = Zeros(),
    ) -> None:
        super().__init__(
            n_in,
            hidden,
            name=name,
            weights=weights,
            recurrent_weights=recurrent_weights,
            biases=biases,
        )
        if not np.isfinite(forget_bias):
            raise InputError(f"{self}: forget_bias is a finite number, found {forget_bias}")
        self.forget_bias = forget_bias

    def step(self, u: Array, state: Array) -> tuple[Array, Kept]:
        h, c = state
        a_i, a_f, a_g, a_o = np.split(u + h @ self.Wh, 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        new_c = f * c + i * g
        s = np.tanh(new_c)
        new_h = o * s
        return np.stack((new_h, new_c)), (h, c, i, f, g, o, s)

    def step_backward(self, dnew: Array, kept: Kept) -> tuple[Array, Array]:
        _, c, i, f, g, o, s = kept
        dnew_h, dnew_c = dnew
        do = dnew_h * s
        dnew_c = dnew_c + dnew_h * o * (1 - s * s)
        df = dnew_c * c
        di = dnew_c * g
        dg = dnew_c * i
        da_i = di * i * (1 - i)
        da_f = df * f * (1 - f)
        da_g = dg * (1 - g * g)
        da_o = do * o * (1 - o)
        da = np.concatenate((da_i, da_f, da_g, da_o), axis=1)
        dh = da @ self.Wh.T
        dc = dnew_c * f
        return da, np.stack((dh, dc))

    def state_shape(self, batch: int) -> Shape:
        return 2, batch, self.sizes["hidden"]

    @staticmethod
    def output_of(state: Array) -> Array:
        h: Array = state[0]
        return h

    def check_state(self, x: Array, **states: Array) -> None:
        super().check_state(x, **states)
        for symbol, value in states.items():
            if len(value) != 2:
                raise self._wrong_size(symbol, value, "h and c", 2, None)

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> LSTMEquations:
        """As any recurrence; then the forget gates are opened by their bias."""
        super().initialize(seed, dtype)
        hidden = self.sizes["hidden"]
        self.b[hidden : 2 * hidden] += self.forget_bias
        return self


class LSTMCell(Cell, LSTMEquations):
    """c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c'): a memory that is added to, and gates that decide.

    Shapes      x[batch, in]   h, c, h', c', i, f, g, o[batch, hidden]
                Wx[in, 4 hidden]   Wh[hidden, 4 hidden]   b[4 hidden]
                the state is h and c, as one array [2, batch, hidden]: h, c = state

    With σ(z) = 1 / (1 + e⁻ᶻ), and a in four parts of the width hidden, in the order i, f, g, o:

        a  = x Wx + h Wh + b          (aᵢ, a_f, a_g, aₒ) = a
        i  = σ(aᵢ)                    input gate: how much of the new is written
        f  = σ(a_f)                   forget gate: how much of the old is kept
        g  = tanh(a_g)                the new
        o  = σ(aₒ)                    output gate: how much is shown
        c' = f ⊙ c + i ⊙ g            the memory
        s  = tanh(c')
        h' = o ⊙ s                    what is shown of it

    Derivatives, given dh' = ∂L/∂h' and dc' = ∂L/∂c' of the later steps. From below upwards; all is
    elementwise until a:

        h' = o ⊙ s                    do = dh' ⊙ s              ds = dh' ⊙ o
        s  = tanh(c')                 dc' ← dc' + ds ⊙ (1 − s²)
                c' has two uses: in h', and as the next step's c. Their gradients add up.
        c' = f ⊙ c + i ⊙ g            df = dc' ⊙ c              dc = dc' ⊙ f
                                      di = dc' ⊙ g              dg = dc' ⊙ i
        o  = σ(aₒ)                    daₒ  = do ⊙ o ⊙ (1 − o)
        g  = tanh(a_g)                da_g = dg ⊙ (1 − g²)
        f  = σ(a_f)                   da_f = df ⊙ f ⊙ (1 − f)
        i  = σ(aᵢ)                    daᵢ  = di ⊙ i ⊙ (1 − i)

    and with da = (daᵢ, da_f, da_g, daₒ) side by side, a is two Dense layers' sum:

        dx = da Wxᵀ        dWx = xᵀ da        each product with Wxᵀ or Whᵀ sums over the four gates
        dh = da Whᵀ        dWh = hᵀ da        by itself, as x and h feed all four
        db = Σ_batch da

    The way back along the memory is dc = dc' ⊙ f, without a weight or a tanh: where f is near 1 the
    gradient comes through many steps as it is. So b starts with 1 for f, which opens it.

    Source      Hochreiter, Schmidhuber, Long short-term memory (1997); Gers, Schmidhuber, Cummins,
                Learning to forget (2000) for f, and Jozefowicz, Zaremba, Sutskever, An empirical
                exploration of recurrent network architectures (2015) for its bias. The gates are in
                the order of PyTorch's weights.
    """

    equation = "c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c')"
    axes = {
        "x": ("batch", "in"),
        "Wx": ("in", "4 hidden"),
        "Wh": ("hidden", "4 hidden"),
        "b": ("4 hidden",),
        "state": ("h and c", "batch", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this cell."""
    cell = LSTMCell(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": cell, "x": rng.standard_normal((5, 4)), "state": rng.uniform(-1, 1, (2, 5, 3))}
