import numpy as np


class Regressor:
    """Two layers.  observe() returns the squared error, adapt() derives it and moves the weights."""

    rate = 0.05

    def __init__(self, inner, outer):
        self.inner = inner
        self.outer = outer

    def observe(self, features, goal):
        self.features = features
        self.hidden = np.cos(features @ self.inner)
        self.sine = np.sin(features @ self.inner)
        self.miss = self.hidden @ self.outer - goal
        return float(self.miss @ self.miss)

    def adapt(self):
        g_out = 2.0 * self.miss
        g_outer = self.hidden.T @ g_out
        g_hidden = np.outer(g_out, self.outer)
        g_inner = self.features.T @ (-self.sine * g_hidden)
        self.outer = self.outer - self.rate * g_outer
        self.inner = self.inner - self.rate * g_inner
        return g_inner, g_outer


def example(rng):
    return {
        "init": {"inner": rng.normal(size=(2, 5)), "outer": rng.normal(size=5)},
        "forward": {"features": rng.normal(size=(6, 2)), "goal": rng.normal(size=6)},
    }
