# Two linear layers with a tanh in between, mean squared error.
# Hidden size happens to be the input size, so everything is n x n.
import numpy as np


def forward(X, T, W1, b1, W2, b2):
    Z1 = X @ W1 + b1
    A1 = np.tanh(Z1)
    Z2 = A1 @ W2 + b2
    E = Z2 - T
    loss = np.mean(E ** 2)
    return loss, (X, T, W1, W2, Z1, A1, E)


def backward(cache):
    X, T, W1, W2, Z1, A1, E = cache
    dZ2 = 2 * E / E.size
    dW2 = A1.T @ dZ2
    db2 = dZ2.sum(0)
    dA1 = dZ2 @ W2.T
    dZ1 = dA1 * (1 - A1 ** 2)
    dW1 = X.T @ dZ1
    db1 = dZ1.sum(0)
    dX = dZ1 @ W1.T
    return dX, dW1, db1, dW2, db2


def example(rng):
    n = 4
    return dict(
        X=rng.standard_normal((n, n)),
        T=rng.standard_normal((n, n)),
        W1=rng.standard_normal((n, n)),
        b1=rng.standard_normal(n),
        W2=rng.standard_normal((n, n)),
        b2=rng.standard_normal(n),
    )
