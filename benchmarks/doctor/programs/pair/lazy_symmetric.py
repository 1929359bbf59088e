import numpy as np


# try it with the identity first so the numbers can be followed by eye
def fwd(x, A, B, bias):
    u = x @ A
    s = 1 / (1 + np.exp(-u))
    v = s @ B + bias
    return v, (x, A, B, s, v)


def bwd(dv, cache):
    x, A, B, s, v = cache
    gB = s.T @ dv
    gbias = dv.sum(axis=0)
    gs = dv @ B.T
    gu = gs * s * (1 - s)
    gA = x.T @ gu
    gx = gu @ A.T
    return gx, gA, gB, gbias


def example(rng):
    return {
        "x": np.array([[1.0, -2.0, 0.5]]),
        "A": np.eye(3),
        "B": np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]]),
        "bias": np.zeros(3),
    }
