"""Backpropagation for one example, layers counted from the end as in Nielsen's book."""

import numpy as np


def tanh_prime(z):
    return 1.0 - np.tanh(z) ** 2


def cost(weights, biases, x, y):
    a = x
    for w, b in zip(weights, biases):
        a = np.tanh(np.dot(w, a) + b)
    return 0.5 * np.sum((a - y) ** 2)


def backprop(weights, biases, x, y):
    nabla_w = [np.zeros(w.shape) for w in weights]
    nabla_b = [np.zeros(b.shape) for b in biases]
    # feedforward
    activation = x
    activations = [x]
    zs = []
    for w, b in zip(weights, biases):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = np.tanh(z)
        activations.append(activation)
    # backward pass
    delta = (activations[-1] - y) * tanh_prime(zs[-1])
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].T)
    for l in range(2, len(weights) + 1):
        sp = tanh_prime(activations[-l])
        delta = np.dot(weights[-l + 1].T, delta) * sp
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l - 1].T)
    return nabla_w, nabla_b


def example(rng):
    sizes = [3, 5, 4, 2]
    return {
        "weights": [rng.normal(size=(n, m)) for m, n in zip(sizes[:-1], sizes[1:])],
        "biases": [rng.normal(size=(n, 1)) for n in sizes[1:]],
        "x": rng.normal(size=(3, 1)),
        "y": rng.uniform(-1, 1, size=(2, 1)),
    }
