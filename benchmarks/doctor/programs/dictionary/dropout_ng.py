import numpy as np


def forward_with_dropout(X, Y, parameters, keep_prob=0.8):
    rng = np.random.RandomState(1)
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]

    Z1 = np.dot(W1, X) + b1
    A1 = np.maximum(0, Z1)
    D1 = (rng.rand(*A1.shape) < keep_prob).astype(int)
    A1 = A1 * D1
    A1 = A1 / keep_prob
    Z2 = np.dot(W2, A1) + b2
    A2 = 1 / (1 + np.exp(-Z2))

    m = X.shape[1]
    cost = -1. / m * np.nansum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    cache = (Z1, D1, A1, W1, Z2, A2, W2)
    return cost, cache


def backward_with_dropout(X, Y, cache, keep_prob=0.8):
    m = X.shape[1]
    (Z1, D1, A1, W1, Z2, A2, W2) = cache

    dZ2 = 1. / m * (A2 - Y)
    dW2 = np.dot(dZ2, A1.T)
    db2 = np.sum(dZ2, axis=1, keepdims=True)

    dA1 = np.dot(W2.T, dZ2)
    dA1 = dA1 * D1
    dA1 = dA1 / keep_prob
    dZ1 = np.multiply(dA1, np.int64(Z1 > 0))
    dW1 = np.dot(dZ1, X.T)
    db1 = np.sum(dZ1, axis=1, keepdims=True)
    return {"dW2": dW2, "db2": db2, "dA1": dA1, "dZ1": dZ1, "dW1": dW1, "db1": db1}


def example(rng):
    return {
        "X": rng.standard_normal((3, 8)),
        "Y": rng.integers(0, 2, size=(1, 8)),
        "parameters": {
            "W1": rng.standard_normal((6, 3)), "b1": rng.standard_normal((6, 1)),
            "W2": rng.standard_normal((1, 6)), "b2": rng.standard_normal((1, 1)),
        },
        "keep_prob": 0.8,
    }
