"""A convolution, batch norm, SiLU and a dense layer on digits: loss and gradients by hand.

Shapes      x[batch, 28, 28]   W1[25, channels]   gamma, beta [channels]
            W2[144 channels, 10]   b2[10]   t[batch], the digits' labels
            Between the layers a row is a place: z, xhat, u [batch 144, channels].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

EPSILON = 1e-5
Array = NDArray[Any]
Parameters = dict[str, Array]


def columns(x: Array) -> Array:
    """Every window of 5 x 5 in steps of 2, as a row [batch 144, 25]."""
    return sliding_window_view(x, (5, 5), axis=(1, 2))[:, ::2, ::2].reshape(-1, 25)


def activation(p: Parameters, xhat: Array) -> tuple[Array, Array]:
    u = p["gamma"] * xhat + p["beta"]
    return u, 1 / (1 + np.exp(-u))


def forward(p: Parameters, x: Array, t: Array) -> tuple[float, tuple[Array, ...]]:
    """The loss, and what backward needs."""
    n = len(x)
    z = columns(x) @ p["W1"]
    centred = z - z.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0) + EPSILON)
    xhat = centred / deviation
    u, sigma = activation(p, xhat)
    h = (u * sigma).reshape(n, -1)
    scores = h @ p["W2"] + p["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    log_s = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -log_s[np.arange(n), t].mean()
    return float(loss), (xhat, deviation, log_s)


def backward(p: Parameters, x: Array, t: Array, cache: tuple[Array, ...]) -> Parameters:
    """dL/dw for every parameter w, under its name."""
    xhat, deviation, log_s = cache
    n = len(x)
    dscores = np.exp(log_s)
    dscores[np.arange(n), t] -= 1
    dscores /= n
    u, sigma = activation(p, xhat)
    h = (u * sigma).reshape(n, -1)
    dh = dscores @ p["W2"].T
    du = dh.reshape(u.shape) * sigma * (1 + u * (1 - sigma))
    dxhat = du * p["gamma"]
    dz = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / deviation
    return {
        "W1": columns(x).T @ dz,
        "gamma": (du * xhat).sum(axis=0),
        "beta": du.sum(axis=0),
        "W2": h.T @ dscores,
        "b2": dscores.sum(axis=0),
    }
