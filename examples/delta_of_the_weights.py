"""A network with one hidden layer, and the mistake that costs a day: on its way back the error goes
through the change of the weights in place of the weights.

    byhand check examples/delta_of_the_weights.py
"""

import numpy as np


def forward(x, t, W1, b1, W2, b2):
    a1 = np.tanh(x @ W1 + b1)
    z2 = a1 @ W2 + b2
    loss = 0.5 * np.sum((z2 - t) ** 2) / len(x)
    return loss, (x, t, a1, z2, W2)


def backward(cache):
    x, t, a1, z2, W2 = cache
    dz2 = (z2 - t) / len(x)
    delta_W2 = a1.T @ dz2
    delta_b2 = dz2.sum(axis=0)
    da1 = dz2 @ delta_W2.T  # through the second layer
    dz1 = da1 * (1 - a1**2)
    delta_W1 = x.T @ dz1
    delta_b1 = dz1.sum(axis=0)
    return delta_W1, delta_b1, delta_W2, delta_b2


def example(rng):
    return {
        "x": rng.normal(size=(4, 3)),
        "t": rng.normal(size=(4, 2)),
        "W1": rng.normal(size=(3, 5)),
        "b1": rng.normal(size=5),
        "W2": rng.normal(size=(5, 2)),
        "b2": rng.normal(size=2),
    }
