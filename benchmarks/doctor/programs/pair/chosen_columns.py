import numpy as np


def select_forward(x, columns):
    return x[:, columns], (x.shape, columns)


def select_backward(dy, cache):
    shape, columns = cache
    dx = np.zeros(shape)
    dx[:, columns] = dy
    return dx


def example(rng):
    return {"x": rng.normal(size=(4, 7)), "columns": [0, 2, 5]}
