from __future__ import annotations

import numpy as np


def forward(
    x: Float[Array, "batch in"],
    y: Int[Array, "batch"],
    W1: Float[Array, "in hidden"],
    b1: Float[Array, "hidden"],
    W2: Float[Array, "hidden classes"],
    b2: Float[Array, "classes"],
):
    """elu hidden layer, mean cross entropy"""
    z1 = x @ W1 + b1
    a1 = np.where(z1 > 0, z1, np.exp(z1) - 1)
    logits = a1 @ W2 + b2
    lse = np.log(np.exp(logits).sum(axis=1))
    rows = np.arange(len(y))
    loss = (lse - logits[rows, y]).mean()
    return loss, (x, y, W1, W2, z1, a1, logits)


def backward(cache):
    x, y, W1, W2, z1, a1, logits = cache
    n = len(y)
    dlogits = np.exp(logits)
    dlogits /= dlogits.sum(axis=1, keepdims=True)
    dlogits[np.arange(n), y] -= 1.0
    dlogits /= n
    dW2 = a1.T @ dlogits
    db2 = dlogits.sum(axis=0)
    da1 = dlogits @ W2.T
    dz1 = da1 * np.where(z1 > 0, 1.0, a1 + 1.0)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    dx = dz1 @ W1.T
    return dx, dW1, db1, dW2, db2
