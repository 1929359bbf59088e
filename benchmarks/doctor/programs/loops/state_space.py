"""A diagonal linear state space model, h_t = a * h_{t-1} + B u_t and y_t = C h_t + d * u_t."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def ssm(
    u: Float[Array, "batch time channels"],
    a: Float[Array, "state"],
    B: Float[Array, "state channels"],
    C: Float[Array, "channels state"],
    d: Float[Array, "channels"],
):
    batch, time, channels = u.shape
    h = np.zeros((batch, time + 1, a.shape[0]))
    y = np.zeros(u.shape)
    for t in range(time):
        h[:, t + 1] = a * h[:, t] + u[:, t] @ B.T
        y[:, t] = h[:, t + 1] @ C.T + d * u[:, t]
    return y, (u, h, a, B, C, d)


def ssm_grad(dy, saved):
    u, h, a, B, C, d = saved
    du = np.zeros(u.shape)
    da, dB, dC, dd = (np.zeros(p.shape) for p in (a, B, C, d))
    dh = np.zeros(h[:, 0].shape)
    for t in reversed(range(u.shape[1])):
        dC += dy[:, t].T @ h[:, t + 1]
        dd += (dy[:, t] * u[:, t]).sum(axis=0)
        dh += dy[:, t] @ C
        dB += dh.T @ u[:, t]
        du[:, t] = dy[:, t] * d + dh @ B
        da += (dh * h[:, t]).sum(axis=0)
        dh = dh * a
    return du, da, dB, dC, dd
