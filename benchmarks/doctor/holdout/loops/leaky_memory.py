from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray as Array


def memory(
    x: Float[Array, "time channels"],
    decay: Float[Array, "channels"],
    mix: Float[Array, "channels out"],
):
    """m[t] = a m[t-1] + (1 - a) x[t],  a = sigmoid(decay);   y[t] = tanh(m[t] mix)"""
    T, C = x.shape
    a = 1 / (1 + np.exp(-decay))
    m = np.zeros((T + 1, C))
    for t in range(T):
        m[t + 1] = a * m[t] + (1 - a) * x[t]
    y = np.tanh(m[1:] @ mix)
    return y, (x, a, m, y, mix)


def memory_backward(y_grad, cache):
    x, a, m, y, mix = cache
    z_grad = y_grad * (1 - y**2)
    mix_grad = m[1:].T @ z_grad
    m_grad = z_grad @ mix.T
    x_grad = np.zeros_like(x)
    a_grad = np.zeros_like(a)
    for t in reversed(range(len(x))):
        a_grad += m_grad[t] * (m[t] - x[t])
        x_grad[t] = m_grad[t] * (1 - a)
        if t > 0:
            m_grad[t - 1] += m_grad[t] * a
    decay_grad = a_grad * a * (1 - a)
    return x_grad, decay_grad, mix_grad
