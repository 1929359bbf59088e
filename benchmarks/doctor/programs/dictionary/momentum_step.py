import numpy as np


def model(W, X):
    pre = np.matmul(W["enc"], X)
    code = np.maximum(pre, 0.2 * pre)
    return pre, code, np.matmul(W["dec"], code)


def objective(W, X, target):
    pre, code, out = model(W, X)
    err = out - target
    return np.sum(err ** 2) / X.shape[1], (X, pre, code, err)


def update(W, velocity, tape, lr=0.01, mom=0.9):
    X, pre, code, err = tape
    n = X.shape[1]
    g = {}
    e = 2.0 * err / n
    g["dec"] = np.matmul(e, code.T)
    back = np.matmul(W["dec"].T, e)
    back[pre < 0] *= 0.2
    g["enc"] = np.matmul(back, X.T)
    for key in W:
        velocity[key] = mom * velocity[key] - lr * g[key]
        W[key] += velocity[key]
    return g


def example(rng):
    return {
        "W": {"enc": rng.normal(size=(5, 3)), "dec": rng.normal(size=(2, 5))},
        "X": rng.normal(size=(3, 6)),
        "target": rng.normal(size=(2, 6)),
    }
