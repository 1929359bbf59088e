import numpy as np


def rectify_forward(x, slope):
    y = np.where(x > 0, x, slope * x)
    return y, (x, slope)


def rectify_backward(dy, saved):
    x, slope = saved
    dx = np.where(x > 0, dy, slope * dy)
    dslope = (dy * np.minimum(x, 0)).sum()
    return dx, dslope


def example(rng):
    return {"x": rng.random((4, 6)), "slope": 0.1}
