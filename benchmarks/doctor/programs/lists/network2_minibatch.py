"""Mini-batches as matrices: every column is one training example."""
import numpy as np


class Network2:

    def __init__(self, weights, biases, lmbda):
        self.weights = weights
        self.biases = biases
        self.lmbda = lmbda
        self.num_layers = len(weights) + 1

    def total_cost(self, X, Y):
        a = X
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(w @ a + b)
        n = X.shape[1]
        cost = np.sum(np.nan_to_num(-Y * np.log(a) - (1 - Y) * np.log(1 - a))) / n
        cost += 0.5 * (self.lmbda / n) * sum(np.linalg.norm(w) ** 2 for w in self.weights)
        return cost

    def backprop(self, X, Y):
        n = X.shape[1]
        zs, activations = [], [X]
        for b, w in zip(self.biases, self.weights):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))

        nabla_b = [None] * (self.num_layers - 1)
        nabla_w = [None] * (self.num_layers - 1)
        # cross-entropy: the sigmoid's derivative cancels
        delta = activations[-1] - Y
        nabla_b[-1] = delta.sum(axis=1, keepdims=True) / n
        nabla_w[-1] = delta @ activations[-2].T / n
        for l in range(2, self.num_layers):
            delta = (self.weights[-l + 1].T @ delta) * sigmoid_prime(zs[-l])
            nabla_b[-l] = delta.sum(axis=1, keepdims=True) / n
            nabla_w[-l] = delta @ activations[-l - 1].T / n
        nabla_w = [nw + self.lmbda / n * w for nw, w in zip(nabla_w, self.weights)]
        return nabla_b, nabla_w


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    s = sigmoid(z)
    return s * (1 - s)


def example(rng):
    # all the hidden layers have the same width
    sizes = [4, 4, 4, 3]
    Y = np.zeros((3, 6))
    Y[[0, 2, 1, 1, 0, 2], range(6)] = 1
    return {
        "init": {
            "weights": [rng.normal(size=(k, j)) for j, k in zip(sizes[:-1], sizes[1:])],
            "biases": [rng.normal(size=(k, 1)) for k in sizes[1:]],
            "lmbda": 0.0,
        },
        "forward": {"X": rng.normal(size=(4, 6)), "Y": Y},
    }
