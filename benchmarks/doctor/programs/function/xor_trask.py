import numpy as np


def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def train_step(syn0, syn1, X, y):
    # forward
    l0 = X
    l1 = nonlin(np.dot(l0, syn0))
    l2 = nonlin(np.dot(l1, syn1))
    l2_error = l2 - y
    err = np.mean(l2_error ** 2) / 2

    # in what direction is the target?  slopes at l1 and l2, which are sigmoids already
    l2_delta = l2_error * nonlin(l2, deriv=True) / l2_error.size
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1, deriv=True)

    grad_syn1 = l1.T.dot(l2_delta)
    grad_syn0 = l0.T.dot(l1_delta)
    return err, grad_syn0, grad_syn1


def example(rng):
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    y = np.array([[0], [1], [1], [0]])
    return {"syn0": 2 * rng.random((3, 5)) - 1, "syn1": 2 * rng.random((5, 1)) - 1, "X": X, "y": y}
