import numpy as np


def train_on_batch(W, B, x, t, eta=0.05):
    """Forward, deltas, gradients and then one step of SGD in place. x: (features, batch)."""
    a = [x]
    for w, b in zip(W, B):
        a.append(1 / (1 + np.exp(-(w.dot(a[-1]) + b[:, None]))))
    bs = x.shape[1]
    err = a[-1] - t
    loss = (err * err).sum() / bs

    deltas = [None] * len(W)
    deltas[-1] = 2 * err / bs * a[-1] * (1 - a[-1])
    for i in range(len(W) - 2, -1, -1):
        deltas[i] = W[i + 1].T.dot(deltas[i + 1]) * a[i + 1] * (1 - a[i + 1])
    dW = [d.dot(inp.T) for d, inp in zip(deltas, a)]
    dB = [d.sum(axis=1) for d in deltas]

    for i in range(len(W)):
        W[i] -= eta * dW[i]
        B[i] -= eta * dB[i]
    return loss, dW, dB


def example(rng):
    n = (3, 5, 4, 2)
    return {
        "W": [rng.normal(size=(n[i + 1], n[i])) for i in range(3)],
        "B": [rng.normal(size=n[i + 1]) for i in range(3)],
        "x": rng.normal(size=(3, 6)),
        "t": rng.random((2, 6)),
    }
