import numpy as np


class PoissonRegression:
    """Counts k with rate exp(theta . x + offset).  `loglik` is maximised, so `score` goes up hill."""

    def __init__(self, theta, prior_precision):
        self.theta = theta
        self.tau = prior_precision

    def loglik(self, X, k, exposure):
        eta = X @ self.theta + np.log(exposure)
        rate = np.exp(eta)
        self._saved = X, k, rate
        return np.sum(k * eta - rate) - 0.5 * self.tau * self.theta @ self.theta

    def score(self):
        X, k, rate = self._saved
        self.dtheta = X.T @ (k - rate) - self.tau * self.theta
        return self.dtheta


def example(rng):
    X = rng.normal(size=(9, 3))
    return {
        "init": {"theta": rng.normal(size=3), "prior_precision": 0.5},
        "forward": {"X": X, "k": rng.poisson(2.0, 9), "exposure": rng.uniform(0.5, 2.0, 9)},
    }
