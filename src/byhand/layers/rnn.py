"""The plain recurrent layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.initializers import NormalFanIn
from byhand.layers.recurrent import RecurrentLayer
from byhand.layers.rnn_cell import RNNEquations


class RNN(RecurrentLayer, RNNEquations):
    """hₜ = tanh(xₜ Wx + hₜ₋₁ Wh + b) for t = 1 … time: the simplest layer that remembers.

    Shapes      x[batch, time, in]   Wx[in, hidden]   Wh[hidden, hidden]   b[hidden]
                h[batch, time, hidden]   state h₀[batch, hidden], zeros unless given

    Derivatives, given dh[t] = ∂L/∂hₜ, what the output at t is asked for. hₜ goes on to step t + 1,
    too, where it stands in the sum aₜ₊₁ = xₜ₊₁ Wx + hₜ Wh + b; what comes back from there is
    daₜ₊₁ Whᵀ (derived at RNNCell). The two ways add up. From the last step to the first:

        dhₜ = dh[t] + daₜ₊₁ Whᵀ               for t = time: dh[time] + ∂L/∂(final state)
        daₜ = dhₜ ⊙ (1 − hₜ²)
        dxₜ = daₜ Wxᵀ

    The parameters are the same in every step, so their gradients are sums over the steps; and what
    is left when the first step is done is the first state's:

        dWx = Σₜ xₜᵀ daₜ        dWh = Σₜ hₜ₋₁ᵀ daₜ        db = Σₜ,batch daₜ        dh₀ = da₁ Whᵀ

    One step back multiplies by diag(1 − hₜ²) and Whᵀ. Over many steps the gradient is a product of
    as many such factors, and shrinks or grows as a power: this is why a plain RNN forgets, and why
    its gradients are clipped.

    Source      Elman, Finding structure in time (1990); Werbos, Backpropagation through time: what
                it does and how to do it (1990); on the product of factors, Pascanu, Mikolov,
                Bengio, On the difficulty of training recurrent neural networks (2013), eqs. 3-5.
    """

    equation = "hₜ = tanh(xₜ Wx + hₜ₋₁ Wh + b)"
    axes = {
        "x": ("batch", "time", "in"),
        "Wx": ("in", "hidden"),
        "Wh": ("hidden", "hidden"),
        "b": ("hidden",),
        "state": ("batch", "hidden"),
        "h": ("batch", "time", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = RNN(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 5, 4))}
