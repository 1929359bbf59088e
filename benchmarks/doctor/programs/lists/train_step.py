import numpy as np


def train_step(weights, biases, x, y, eta=0.5):
    """One step of gradient descent of a sigmoid net; returns the loss, the gradients and the new
    parameters. The lists passed in are left alone."""
    weights, biases = list(weights), list(biases)
    n_layers = len(weights)
    batch = len(x)

    outs = [x]
    for l in range(n_layers):
        outs.append(1 / (1 + np.exp(-(outs[l] @ weights[l] + biases[l]))))
    loss = ((outs[-1] - y) ** 2).sum() / batch

    grad_w, grad_b = [0] * n_layers, [0] * n_layers
    error = 2 * (outs[-1] - y) / batch
    for l in range(n_layers - 1, -1, -1):
        delta = error * outs[l + 1] * (1 - outs[l + 1])
        grad_w[l] = outs[l].T @ delta
        grad_b[l] = delta.sum(axis=0)
        error = delta @ weights[l].T
        weights[l] = weights[l] - eta * grad_w[l]
        biases[l] = biases[l] - eta * grad_b[l]
    return loss, grad_w, grad_b, weights, biases


def example(rng):
    shape = (4, 6, 5, 3)
    ws = [rng.normal(size=(p, q)) for p, q in zip(shape, shape[1:])]
    bs = [rng.normal(size=q) for q in shape[1:]]
    return {"weights": ws, "biases": bs, "x": rng.normal(size=(7, 4)), "y": rng.random((7, 3))}
