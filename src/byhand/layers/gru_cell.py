"""One step of the gated recurrent unit."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Orthogonal, Zeros
from byhand.layers.base import Array, Gradients
from byhand.layers.recurrent import Cell, Kept, Recurrence
from byhand.layers.sigmoid import sigmoid
from byhand.randomness import stream


class GRUEquations(Recurrence):
    """h' = (1 − z) ⊙ n + z ⊙ h and its derivative; derived at GRUCell.

    reset       "after" the product with Wh, as in PyTorch and cuDNN, or "before" it, as published
    """

    parameter_names = ("Wx", "Wh", "b", "bn")
    setting_names = ("reset_after",)
    gates = 3

    bn: Array

    def __init__(
        self,
        n_in: int,
        hidden: int,
        *,
        reset: Literal["after", "before"] = "after",
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
        if reset not in ("after", "before"):
            raise InputError(f'{self}: reset is "after" or "before", found {reset!r}')
        self.reset_after = reset == "after"

    def step(self, u: Array, h: Array) -> tuple[Array, Kept]:
        u_r, u_z, u_n = np.split(u, 3, axis=1)
        W_rz, W_n = self._recurrent_weights()
        v_r, v_z = np.split(h @ W_rz, 2, axis=1)
        r = sigmoid(u_r + v_r)
        z = sigmoid(u_z + v_z)
        m = (h if self.reset_after else r * h) @ W_n + self.bn
        n = np.tanh(u_n + (r * m if self.reset_after else m))
        new = (1 - z) * n + z * h
        return new, (h, r, z, n, m)

    def step_backward(self, dnew: Array, kept: Kept) -> tuple[Array, Array]:
        h, r, z, n, m = kept
        W_rz, W_n = self._recurrent_weights()
        dn = dnew * (1 - z)
        dz = dnew * (h - n)
        da_n = dn * (1 - n * n)
        da_z = dz * z * (1 - z)
        if self.reset_after:
            dr = da_n * m
            dh_n = (da_n * r) @ W_n.T
        else:
            dq = da_n @ W_n.T
            dr = dq * h
            dh_n = dq * r
        da_r = dr * r * (1 - r)
        da_rz = np.concatenate((da_r, da_z), axis=1)
        dh = dnew * z + da_rz @ W_rz.T + dh_n
        return np.concatenate((da_rz, da_n), axis=1), dh

    def gradients(self, x: Array, du: Array, kept: list[Kept]) -> Gradients:
        h = np.concatenate([step[0] for step in kept])
        r = np.concatenate([step[1] for step in kept])
        hidden = self.sizes["hidden"]
        da_rz, da_n = du[:, : 2 * hidden], du[:, 2 * hidden :]
        dm = da_n * r if self.reset_after else da_n
        factor = h if self.reset_after else r * h
        dWh = np.concatenate((h.T @ da_rz, factor.T @ dm), axis=1)
        return {"Wx": x.T @ du, "Wh": dWh, "b": du.sum(axis=0), "bn": dm.sum(axis=0)}

    def _recurrent_weights(self) -> tuple[Array, Array]:
        """Of r and z together, [hidden, 2 hidden], and of n, [hidden, hidden]."""
        hidden = self.sizes["hidden"]
        return self.Wh[:, : 2 * hidden], self.Wh[:, 2 * hidden :]

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> GRUEquations:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "parameters")
        super().initialize(rng, dtype)
        n_in, hidden = self.sizes["in"], self.sizes["hidden"]
        self.bn = self.bias_initializer.draw(rng, (hidden,), n_in, hidden, dtype)
        return self


class GRUCell(Cell, GRUEquations):
    """h' = (1 − z) ⊙ n + z ⊙ h: a gate says, unit by unit, whether the old stays or the new comes.

    Shapes      x[batch, in]   h, h', r, z, n, m[batch, hidden]   Wx[in, 3 hidden]
                Wh[hidden, 3 hidden]   b[3 hidden]   bn[hidden]   the state is h

    With σ(z) = 1 / (1 + e⁻ᶻ) and, in three parts of the width hidden in the order r, z, n, the
    inputs' part u = x Wx + b and Wh = (Wr, Wz, Wn):

        r  = σ(uᵣ + h Wr)             reset gate: how much of the old the new may know
        z  = σ(u_z + h Wz)            update gate: how much of the old stays
        n  = tanh(aₙ)                 the new, where the reset is taken
             m = h Wn + bn,        aₙ = uₙ + r ⊙ m          after the product (PyTorch, cuDNN), or
             m = (r ⊙ h) Wn + bn,  aₙ = uₙ + m              before it (Cho et al.)
        h' = (1 − z) ⊙ n + z ⊙ h

    After the product the reset is elementwise, so h Wr, h Wz and h Wn can be one product. The bias
    bn is then within the reset and the n part of b is not, so both are needed. Before the product
    they are added to the same sum, and one of them would do; both are kept, as in ONNX, so that the
    variants have the same parameters. For r and z one bias is all there is.

    Derivatives, given dh' = ∂L/∂h'. h is used in four places: kept by z, and in r, z, n. From below
    upwards:

        h' = (1 − z) ⊙ n + z ⊙ h      dn = dh' ⊙ (1 − z)     dz = dh' ⊙ (h − n)     dh = dh' ⊙ z
        n  = tanh(aₙ)                 daₙ = dn ⊙ (1 − n²)
        z  = σ(a_z)                   da_z = dz ⊙ z ⊙ (1 − z)

      reset after the product:
        aₙ = uₙ + r ⊙ m               dr = daₙ ⊙ m           dm = daₙ ⊙ r
        m  = h Wn + bn                dWn = hᵀ dm            dh += dm Wnᵀ
      reset before the product:
        aₙ = uₙ + m                   dm = daₙ
        m  = q Wn + bn, q = r ⊙ h     dWn = qᵀ dm            dq = dm Wnᵀ
                                      dr = dq ⊙ h            dh += dq ⊙ r

        r  = σ(aᵣ)                    daᵣ = dr ⊙ r ⊙ (1 − r)
        aᵣ = uᵣ + h Wr                dWr = hᵀ daᵣ           dh += daᵣ Wrᵀ
        a_z = u_z + h Wz              dWz = hᵀ da_z          dh += da_z Wzᵀ
                                      dbn = Σ_batch dm
    and with du = (daᵣ, da_z, daₙ) side by side, since each a has its u once, times 1:

        dx = du Wxᵀ        dWx = xᵀ du        db = Σ_batch du

    Source      Cho et al., Learning phrase representations using RNN encoder-decoder (2014), eqs. 5
                to 8, for "before"; for "after" PyTorch's GRU. In ONNX's operator GRU they are
                linear_before_reset = 0 and 1; it has the gates in the order z, r, n.
    """

    equation = "h' = (1 − z) ⊙ n + z ⊙ h"
    axes = {
        "x": ("batch", "in"),
        "Wx": ("in", "3 hidden"),
        "Wh": ("hidden", "3 hidden"),
        "b": ("3 hidden",),
        "bn": ("hidden",),
        "state": ("batch", "hidden"),
    }


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this cell."""
    cell = GRUCell(4, 3, biases=NormalFanIn()).initialize(rng)
    return {"self": cell, "x": rng.standard_normal((5, 4)), "state": rng.uniform(-1, 1, (5, 3))}
