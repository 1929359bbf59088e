"""A classifier with one hidden layer: one column per example, parameters in a dictionary."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward_propagation(X, Y, parameters):
    m = X.shape[1]
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.maximum(0, Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = sigmoid(Z2)
    cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
    return cost, {"Z1": Z1, "A1": A1, "A2": A2}


def backward_propagation(X, Y, parameters, cache):
    m = X.shape[1]
    grads = {}
    dZ2 = (cache["A2"] - Y) / m
    grads["dW2"] = np.dot(dZ2, cache["A1"].T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (cache["Z1"] > 0)
    grads["dW1"] = np.dot(dZ1, X.T)
    grads["db1"] = dZ1
    return grads


def example(rng):
    return {
        "X": rng.normal(size=(4, 6)),
        "Y": rng.integers(0, 2, size=(1, 6)),
        "parameters": {
            "W1": rng.normal(size=(5, 4)),
            "b1": rng.normal(size=(5, 1)),
            "W2": rng.normal(size=(1, 5)),
            "b2": rng.normal(size=(1, 1)),
        },
    }
