import numpy as np


def step(x, y, w1, w2, w3, b1, b2, reg):
    # Forward pass: compute predicted y
    h1 = x.dot(w1) + b1
    h1_relu = np.maximum(h1, 0)
    h2 = h1_relu.dot(w2) + b2
    h2_swish = h2 / (1 + np.exp(-h2))
    y_pred = h2_swish.dot(w3)

    # Compute loss
    diff = y_pred - y
    loss = 0.5 * np.square(diff).sum() / x.shape[0] + 0.5 * reg * (np.sum(w1 * w1) + np.sum(w2 * w2) + np.sum(w3 * w3))

    # Backprop to compute gradients of w1, w2 and w3 with respect to loss
    grad_y_pred = diff / x.shape[0]
    grad_w3 = h2_swish.T.dot(grad_y_pred) + reg * w3
    grad_h2_swish = grad_y_pred.dot(w3.T)
    sig = 1 / (1 + np.exp(-h2))
    grad_h2 = grad_h2_swish * (sig + h2 * sig * (1 - sig))
    grad_w2 = h1_relu.T.dot(grad_h2) + reg * w2
    grad_b2 = grad_h2.sum(axis=0)
    grad_h1_relu = grad_h2.dot(w2.T)
    grad_h1 = grad_h1_relu.copy()
    grad_h1[h1 < 0] = 0
    grad_w1 = x.T.dot(grad_h1) + reg * w1
    grad_b1 = grad_h1.sum(axis=0)
    return loss, grad_w1, grad_w2, grad_w3, grad_b1, grad_b2


def example(rng):
    return {
        "x": rng.normal(size=(6, 4)),
        "y": rng.normal(size=(6, 2)),
        "w1": rng.normal(size=(4, 5)),
        "w2": rng.normal(size=(5, 3)),
        "w3": rng.normal(size=(3, 2)),
        "b1": rng.normal(size=5),
        "b2": rng.normal(size=3),
        "reg": 0.1,
    }
