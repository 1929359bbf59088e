import numpy as np


def everything(x, W, b, y):
    out = np.tanh(x @ W + b)
    dout = out - y
    dpre = dout * (1 - out**2)
    grads = [x.T @ dpre, dpre.sum(axis=0), dpre]
    return 0.5 * (dout**2).sum(), grads


def example(rng):
    return {"x": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2),
            "y": rng.normal(size=(4, 2))}
