import numpy as np

# Single neuron, examples are columns. Y has shape (1, m), w has shape (n, 1).


def sigmoid(z):
    return 1. / (1. + np.exp(-z))


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = (-1. / m) * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    return cost, (w, X, Y, A)


def propagate_back(cache):
    w, X, Y, A = cache
    m = X.shape[1]
    dA = -(Y / A) + (1 - Y) / (1 - A)
    dZ = dA * A * (1 - A)
    dw = np.dot(X, dZ.T) / m
    db = np.sum(dZ) / m
    return dw, db


def example(rng):
    return dict(
        w=rng.normal(size=(3, 1)),
        b=0.4,
        X=rng.normal(size=(3, 5)),
        Y=np.array([[1., 0., 0., 1., 1.]]),
    )
