from __future__ import annotations

import numpy as np

try:
    from jaxtyping import Array, Float, Int
except ImportError:  # only for the annotations
    Array = Float = Int = None


def softmax_regression(
    x: Float[Array, "batch features"],
    y: Int[Array, "batch"],
    weight: Float[Array, "classes features"],
    bias: Float[Array, "classes"],
):
    n = x.shape[0]
    logits = x @ weight.T + bias
    logits = logits - np.max(logits, axis=1)[:, np.newaxis]
    log_z = np.log(np.sum(np.exp(logits), axis=1))
    loss = np.mean(log_z - logits[np.arange(n), y])

    grad_logits = np.exp(logits - log_z[:, np.newaxis])
    grad_logits[np.arange(n), y] -= 1.0
    grad_logits = grad_logits / n
    grad_weight = grad_logits.T @ x
    grad_bias = np.sum(grad_logits, axis=0)
    grad_x = grad_logits @ weight
    return loss, grad_x, grad_weight, grad_bias
