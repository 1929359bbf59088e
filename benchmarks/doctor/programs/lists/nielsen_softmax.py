import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


class Network(object):

    def __init__(self, weights, biases, lmbda):
        self.num_layers = len(weights) + 1
        self.weights = weights
        self.biases = biases
        self.lmbda = lmbda

    def feedforward(self, a):
        for b, w in zip(self.biases[:-1], self.weights[:-1]):
            a = np.tanh(np.dot(w, a) + b)
        return softmax(np.dot(self.weights[-1], a) + self.biases[-1])

    def cost(self, x, y):
        a = self.feedforward(x)
        reg = sum(np.sum(w ** 2) for w in self.weights)
        return -np.sum(y * np.log(a)) / x.shape[1] + 0.5 * self.lmbda * reg

    def backprop(self, x, y):
        """Return the tuple (nabla_b, nabla_w) of the gradient for the cost of a mini batch, whose
        examples are the columns of x and y."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        # feedforward
        activation = x
        activations = [x]
        for b, w in zip(self.biases[:-1], self.weights[:-1]):
            activation = np.tanh(np.dot(w, activation) + b)
            activations.append(activation)
        p = softmax(np.dot(self.weights[-1], activation) + self.biases[-1])
        # backward pass
        delta = (p - y) / x.shape[1]
        nabla_b[-1] = delta.sum(axis=1, keepdims=True)
        nabla_w[-1] = np.dot(delta, activations[-1].T) + self.lmbda * self.weights[-1]
        for l in range(2, self.num_layers):
            error = np.dot(self.weights[-l + 1].T, delta)
            delta = error * (1 - activations[-l + 1] ** 2)
            nabla_b[-l] = delta.sum(axis=1, keepdims=True)
            nabla_w[-l] = np.dot(delta, activations[-l].T) + self.lmbda * self.weights[-l]
        return nabla_b, nabla_w


def example(rng):
    sizes = [4, 5, 3, 2]
    p = rng.dirichlet(np.ones(2), size=6).T
    return {
        "init": {
            "weights": [rng.normal(size=(n, k)) for k, n in zip(sizes[:-1], sizes[1:])],
            "biases": [rng.normal(size=(n, 1)) for n in sizes[1:]],
            "lmbda": 0.2,
        },
        "forward": {"x": rng.normal(size=(4, 6)), "y": p},
    }
