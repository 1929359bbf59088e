import numpy as np


class Layer:
    def parameters(self):
        return []


class Dense(Layer):
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, d):
        self.dW = np.dot(self.x.T, d)
        self.db = np.sum(d, axis=0)
        return np.dot(d, self.W.T)


class ReLU(Layer):
    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, d):
        d[self.mask] = 0
        return d


class SoftmaxWithLoss(Layer):
    def forward(self, x, t):
        self.t = t
        x = x - np.max(x, axis=-1, keepdims=True)
        self.y = np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)
        return -np.sum(t * np.log(self.y + 1e-12)) / t.shape[0]

    def backward(self, d=1):
        batch_size = self.t.shape[0]
        dx = (self.y - self.t) / batch_size
        return d * dx


class Model:
    def __init__(self, weights, biases):
        self.layers = []
        for W, b in zip(weights[:-1], biases[:-1]):
            self.layers += [Dense(W, b), ReLU()]
        self.layers.append(Dense(weights[-1], biases[-1]))
        self.last = SoftmaxWithLoss()

    def loss(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        return self.last.forward(x, t)

    def backward(self):
        d = self.last.backward(1)
        for layer in reversed(self.layers):
            d = layer.backward(d)
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        self.grad_weights = [layer.dW for layer in dense]
        self.grad_biases = [layer.db for layer in dense]
        return d


def example(rng):
    dims = [3, 6, 5, 4]
    return {
        "init": {
            "weights": [rng.normal(size=s) for s in zip(dims, dims[1:])],
            "biases": [rng.normal(size=n) for n in dims[1:]],
        },
        "forward": {"x": rng.normal(size=(5, 3)), "t": np.eye(4)[rng.integers(0, 4, 5)]},
    }
