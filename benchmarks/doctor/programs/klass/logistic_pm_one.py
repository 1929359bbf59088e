import numpy as np


class LogisticRegression:
    """labels are -1 and +1; L = mean log(1 + exp(-y f)) + lambda/2 |w|^2, bias not penalised"""

    def __init__(self, w, bias, lamda=0.2):
        self.w = w
        self.bias = bias
        self.lamda = lamda

    def loss(self, X, y):
        self.X, self.y = X, y
        self.margin = y * (X @ self.w + self.bias)
        return np.mean(np.log1p(np.exp(-self.margin))) + 0.5 * self.lamda * self.w @ self.w

    def gradient(self):
        n = self.X.shape[0]
        coef = -self.y / (1 + np.exp(self.margin))
        grad_w = self.X.T @ coef / n + self.lamda * self.w
        grad_bias = coef.mean()
        return grad_w, grad_bias


def example(rng):
    return {
        "init": {"w": rng.normal(size=4), "bias": -0.3, "lamda": 0.2},
        "forward": {"X": rng.normal(size=(9, 4)), "y": rng.choice([-1.0, 1.0], size=9)},
    }
