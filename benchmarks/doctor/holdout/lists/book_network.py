"""After a well-known online book, with whole mini-batches as matrices and a choice of cost."""
import numpy as np


class CrossEntropy:
    @staticmethod
    def fn(a, y):
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))

    @staticmethod
    def delta(z, a, y):
        return a - y


class Quadratic:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid_prime(z)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    def __init__(self, biases, weights, cost=Quadratic):
        self.num_layers = len(weights) + 1
        self.biases = biases
        self.weights = weights
        self.cost = cost

    def feedforward(self, x, y):
        self.activations, self.zs = [x], []
        for b, w in zip(self.biases, self.weights):
            self.zs.append(w @ self.activations[-1] + b)
            self.activations.append(sigmoid(self.zs[-1]))
        self.y = y
        return self.cost.fn(self.activations[-1], y) / y.shape[1]

    def backprop(self):
        m = self.y.shape[1]
        nabla_b = [None] * (self.num_layers - 1)
        nabla_w = [None] * (self.num_layers - 1)
        delta = self.cost.delta(self.zs[-1], self.activations[-1], self.y)
        nabla_b[-1] = delta.sum(axis=1, keepdims=True) / m
        nabla_w[-1] = delta @ self.activations[-2].T / m
        for l in range(2, self.num_layers):
            delta = (self.weights[-l + 1].T @ delta) * sigmoid_prime(self.zs[-l])
            nabla_b[-l] = delta.sum(axis=1, keepdims=True) / m
            nabla_w[-l] = delta @ self.activations[-l - 1].T / m
        return nabla_b, nabla_w


def example(rng):
    sizes = [4, 5, 3, 2]
    return {
        "init": {
            "biases": [rng.normal(size=(n, 1)) for n in sizes[1:]],
            "weights": [rng.normal(size=(n, k)) for k, n in zip(sizes, sizes[1:])],
        },
        "forward": {"x": rng.normal(size=(4, 6)), "y": rng.random((2, 6))},
    }
