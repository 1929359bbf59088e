import numpy as np


class DenseLayer:
    """One dense layer with tanh. Weights are drawn when the layer is made."""

    def __init__(self, n_in, n_out, seed=3):
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(n_out, n_in))
        self.biases = rng.normal(size=(n_out, 1))

    def forward(self, inputs):
        # inputs: (n_in, batch)
        self.inputs = inputs
        self.z = np.matmul(self.weights, inputs) + self.biases
        self.output = np.tanh(self.z)
        return self.output

    def backward(self, dvalues):
        dz = dvalues * (1.0 - np.tanh(self.z) ** 2)
        self.dweights = np.matmul(dz, self.inputs.T)
        self.dbiases = np.sum(dz, axis=1, keepdims=True)
        self.dinputs = np.matmul(self.weights.T, dz)
        return self.dinputs


def example(rng):
    return {"init": {"n_in": 3, "n_out": 4}, "forward": {"inputs": rng.normal(size=(3, 5))}}
