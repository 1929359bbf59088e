import numpy as np


def huber(pred, goal, delta):
    r = pred - goal
    small = np.abs(r) <= delta
    each = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
    return each.mean(), (r, small, delta)


def huber_grad(cache):
    r, small, delta = cache
    dpred = np.where(small, r, delta * np.sign(r)) / r.size
    return dpred


def example(rng):
    goal = rng.normal(size=(5, 2))
    return {"pred": goal + 0.1 * rng.normal(size=(5, 2)), "goal": goal, "delta": 1.5}
