import numpy as np


def per_example(w, x, y, n):
    """n examples, given as a number."""
    r = x @ w - y
    cost = (r @ r) / n
    dw = 2 * x.T @ r / len(y)
    return cost, dw


def example(rng):
    return {"w": rng.normal(size=3), "x": rng.normal(size=(1, 3)), "y": rng.normal(size=1), "n": 1}
