import numpy as np


def softmax(z):
    z = z - z.max(axis=0)
    return np.exp(z) / np.exp(z).sum(axis=0)


def feed(P, X, Y):
    Z1 = P['W1'] @ X + P['b1']
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = P['W2'] @ A1 + P['b2']
    A2 = softmax(Z2)
    J = -np.sum(Y * np.log(A2)) / X.shape[1]
    return J, {'X': X, 'Y': Y, 'Z1': Z1, 'A1': A1, 'A2': A2}


def back(P, S):
    m = S['X'].shape[1]
    # dJ/dA2, kept from an earlier version; the two derivatives cancel into A2 - Y below
    dA2 = S['Y'] / S['A2']
    dZ2 = S['A2'] - S['Y']
    dW2 = dZ2 @ S['A1'].T / m
    db2 = dZ2.mean(axis=1, keepdims=True)
    dA1 = P['W2'].T @ dZ2
    # same as A1 * (1 - A1)
    dZ1 = dA1 * np.exp(-S['Z1']) / (1 + np.exp(-S['Z1'])) ** 2
    dW1 = dZ1 @ S['X'].T / m
    db1 = dZ1.mean(axis=1, keepdims=True)
    return {'dW1': dW1, 'db1': db1, 'dW2': dW2, 'db2': db2}


def example(rng):
    return {
        'P': {
            'W1': rng.normal(size=(4, 3)), 'b1': rng.normal(size=(4, 1)),
            'W2': rng.normal(size=(3, 4)), 'b2': rng.normal(size=(3, 1)),
        },
        'X': rng.normal(size=(3, 6)),
        'Y': np.eye(3)[:, rng.integers(0, 3, 6)],
    }
