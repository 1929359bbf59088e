"""Long short-term memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.initializers import NormalFanIn
from byhand.layers.lstm_cell import LSTMEquations
from byhand.layers.recurrent import RecurrentLayer


class LSTM(RecurrentLayer, LSTMEquations):
    """hₜ = oₜ ⊙ tanh(cₜ) with cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ for t = 1 … time.

    Shapes      x[batch, time, in]   Wx[in, 4 hidden]   Wh[hidden, 4 hidden]   b[4 hidden]
                h[batch, time, hidden]   state (h₀, c₀)[2, batch, hidden], zeros unless given

        aₜ = xₜ Wx + hₜ₋₁ Wh + b                       its four parts in the order i, f, g, o
        iₜ = σ(aₜ,i)   fₜ = σ(aₜ,f)   gₜ = tanh(aₜ,g)   oₜ = σ(aₜ,o)

    Derivatives, given dh[t] = ∂L/∂hₜ, what the output at t is asked for. The state (hₜ, cₜ) goes on
    to step t + 1: hₜ into aₜ₊₁, from where daₜ₊₁ Whᵀ comes back, and cₜ into cₜ₊₁, from where
    dcₜ₊₁ ⊙ fₜ₊₁ does (both derived at LSTMCell). The ways add up. From the last step to the first:

        dhₜ   = dh[t] + daₜ₊₁ Whᵀ                      at t = time the two that come from step
        dcₜ   = dcₜ₊₁ ⊙ fₜ₊₁ + dhₜ ⊙ oₜ ⊙ (1 − tanh²(cₜ))     t + 1 are ∂L/∂(final state)
        daₜ,i = dcₜ ⊙ gₜ   ⊙ iₜ ⊙ (1 − iₜ)
        daₜ,f = dcₜ ⊙ cₜ₋₁ ⊙ fₜ ⊙ (1 − fₜ)
        daₜ,g = dcₜ ⊙ iₜ   ⊙ (1 − gₜ²)
        daₜ,o = dhₜ ⊙ tanh(cₜ) ⊙ oₜ ⊙ (1 − oₜ)
        dxₜ   = daₜ Wxᵀ

    The parameters are the same in every step, so their gradients are sums over the steps; and what
    is left when the first step is done is the first state's:

        dWx = Σₜ xₜᵀ daₜ        dWh = Σₜ hₜ₋₁ᵀ daₜ        db = Σₜ,batch daₜ
        dh₀ = da₁ Whᵀ           dc₀ = dc₁ ⊙ f₁

    Along c the gradient is multiplied by f₁ … f_time only, numbers that the net itself chooses. At
    the start they are near 1: b begins with forget_bias = 1 for f, and with 0 elsewhere.

    Source      Hochreiter, Schmidhuber, Long short-term memory (1997); Gers, Schmidhuber, Cummins,
                Learning to forget (2000). The derivative here is the full one; that of 1997 was cut
                short at the gates.
    """

    equation = "hₜ = oₜ ⊙ tanh(cₜ), cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ"
    axes = {
        "x": ("batch", "time", "in"),
        "Wx": ("in", "4 hidden"),
        "Wh": ("hidden", "4 hidden"),
        "b": ("4 hidden",),
        "state": ("h and c", "batch", "hidden"),
        "h": ("batch", "time", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = LSTM(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 5, 4))}
