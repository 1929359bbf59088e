import numpy as np


class Ridge:
    def __init__(self, n_features, alpha):
        self.coef = np.random.default_rng(0).normal(size=n_features)
        self.intercept = np.zeros(1)
        self.alpha = alpha

    def loss(self, X, y):
        self.X, self.err = X, X @ self.coef + self.intercept - y
        return 0.5 * (self.err @ self.err) / len(y) + 0.5 * self.alpha * (self.coef @ self.coef)

    def gradients(self):
        n = len(self.err)
        self.coef_grad = self.X.T @ self.err / n + self.alpha * self.coef
        self.intercept_grad = np.array([self.err.mean()])


def example(rng):
    return {
        "init": {"n_features": 3, "alpha": 0.0},
        "forward": {"X": rng.normal(size=(5, 3)), "y": rng.normal(size=5)},
    }
