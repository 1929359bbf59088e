import numpy as np


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def feed(weights, biases, X):
    acts = [X]
    for w, b in zip(weights, biases):
        acts.append(sigma(w @ acts[-1] + b))
    return acts


def cost(weights, biases, X, Y):
    acts = feed(weights, biases, X)
    m = X.shape[1]
    return np.sum((acts[-1] - Y) ** 2) / (2 * m)


def backprop(weights, biases, X, Y):
    m = X.shape[1]
    acts = feed(weights, biases, X)
    nabla_w, nabla_b = [None] * len(weights), [None] * len(biases)
    delta = (acts[-1] - Y) / m * acts[-1] * (1 - acts[-1])
    for l in range(1, len(weights) + 1):
        nabla_w[-l] = delta @ acts[-l - 1].T
        nabla_b[-l] = delta.sum(axis=1, keepdims=True)
        delta = weights[-l].T @ delta * acts[-l - 1] * (1 - acts[-l - 1])
    return nabla_w, nabla_b


def example(rng):
    sizes = [4, 3, 2]
    return {
        "weights": [rng.normal(size=(b, a)) for a, b in zip(sizes, sizes[1:])],
        "biases": [rng.normal(size=(b, 1)) for b in sizes[1:]],
        "X": rng.normal(size=(4, 1)),
        "Y": rng.random((2, 1)),
    }
