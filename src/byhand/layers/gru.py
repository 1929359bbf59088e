"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.initializers import NormalFanIn
from byhand.layers.gru_cell import GRUEquations
from byhand.layers.recurrent import RecurrentLayer


class GRU(RecurrentLayer, GRUEquations):
    """hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁ for t = 1 … time: one gate for keeping, one for looking back.

    Shapes      x[batch, time, in]   Wx[in, 3 hidden]   Wh[hidden, 3 hidden]   b[3 hidden]
                bn[hidden]   h[batch, time, hidden]   state h₀[batch, hidden], zeros unless given

        uₜ = xₜ Wx + b             its three parts in the order r, z, n;   Wh = (Wr, Wz, Wn)
        rₜ = σ(uₜ,r + hₜ₋₁ Wr)     zₜ = σ(uₜ,z + hₜ₋₁ Wz)
        nₜ = tanh(uₜ,n + rₜ ⊙ mₜ)  mₜ = hₜ₋₁ Wn + bn                reset="after" the product, or
        nₜ = tanh(uₜ,n + mₜ)       mₜ = (rₜ ⊙ hₜ₋₁) Wn + bn         reset="before" it

    Derivatives, given dh[t] = ∂L/∂hₜ, what the output at t is asked for. hₜ goes on to step t + 1,
    where it has four uses: it is kept by zₜ₊₁, and it is in rₜ₊₁, zₜ₊₁ and nₜ₊₁ (derived at
    GRUCell). All ways add up. From the last step to the first:

        dhₜ   = dh[t] + dhₜ₊₁ ⊙ zₜ₊₁ + daₜ₊₁,r Wrᵀ + daₜ₊₁,z Wzᵀ + kₜ₊₁
                     where kₜ = dmₜ Wnᵀ after the product, (dmₜ Wnᵀ) ⊙ rₜ before it;
                     at t = time all but dh[t] is ∂L/∂(final state)
        daₜ,n = dhₜ ⊙ (1 − zₜ) ⊙ (1 − nₜ²)
        daₜ,z = dhₜ ⊙ (hₜ₋₁ − nₜ) ⊙ zₜ ⊙ (1 − zₜ)
        dmₜ   = daₜ,n ⊙ rₜ                     after;   daₜ,n                        before
        daₜ,r = daₜ,n ⊙ mₜ ⊙ rₜ ⊙ (1 − rₜ)     after;   (dmₜ Wnᵀ) ⊙ hₜ₋₁ ⊙ rₜ ⊙ (1 − rₜ)   before
        dxₜ   = duₜ Wxᵀ                        with duₜ = (daₜ,r, daₜ,z, daₜ,n)

    The parameters are the same in every step, so their gradients are sums over the steps; and what
    would be handed on to step 0 is the first state's, dh₀:

        dWx = Σₜ xₜᵀ duₜ        db = Σₜ,batch duₜ        dbn = Σₜ,batch dmₜ
        dWr = Σₜ hₜ₋₁ᵀ daₜ,r    dWz = Σₜ hₜ₋₁ᵀ daₜ,z     dWn = Σₜ hₜ₋₁ᵀ dmₜ  after,
                                                               Σₜ (rₜ ⊙ hₜ₋₁)ᵀ dmₜ  before

    Source      Cho et al., Learning phrase representations using RNN encoder-decoder (2014), eqs. 5
                to 8; Chung et al., Empirical evaluation of gated recurrent neural networks (2014).
    """

    equation = "hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁"
    axes = {
        "x": ("batch", "time", "in"),
        "Wx": ("in", "3 hidden"),
        "Wh": ("hidden", "3 hidden"),
        "b": ("3 hidden",),
        "bn": ("hidden",),
        "state": ("batch", "hidden"),
        "h": ("batch", "time", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer."""
    layer = GRU(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": layer, "x": rng.standard_normal((2, 5, 4))}
