import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def sigmoid_derivative(x):
    # x is already sigmoid(something)
    return x * (1.0 - x)


class NeuralNetwork:
    def __init__(self, x, y, hidden=4):
        rng = np.random.RandomState(1)
        self.input = x
        self.weights1 = rng.randn(x.shape[1], hidden)
        self.weights2 = rng.randn(hidden, y.shape[1])
        self.y = y
        self.output = np.zeros(y.shape)

    def feedforward(self):
        self.layer1 = sigmoid(np.dot(self.input, self.weights1))
        self.output = sigmoid(np.dot(self.layer1, self.weights2))
        return np.sum((self.y - self.output) ** 2)

    def backprop(self):
        delta2 = -2 * (self.y - self.output) * sigmoid_derivative(self.output)
        d_weights2 = np.dot(self.layer1.T, delta2)
        delta1 = np.dot(delta2, self.weights2.T) * sigmoid_derivative(self.layer1)
        d_weights1 = np.dot(self.input.T, delta1)

        self.d_weights1 = d_weights1
        self.d_weights2 = d_weights2

    def step(self, lr=0.5):
        self.weights1 -= lr * self.d_weights1
        self.weights2 -= lr * self.d_weights2


def example(rng):
    x = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
    y = np.array([[0], [1], [1], [0]], dtype=float)
    return {"init": {"x": x, "y": y}, "forward": {}}
