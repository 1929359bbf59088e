import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def cost_function_reg(theta, X, y, lam):
    """Cost and gradient of regularised logistic regression (first column of X is all ones)."""
    m = len(y)
    h = sigmoid(X.dot(theta))
    J = -(y * np.log(h) + (1 - y) * np.log(1 - h)).sum() / m
    J += lam / (2 * m) * np.sum(theta[1:] ** 2)

    # the intercept isn't regularised
    grad = X.T.dot(h - y) / m
    grad[1:] += lam / m * theta[1:]
    return J, grad


def example(rng):
    X = np.column_stack([np.ones(7), rng.normal(size=(7, 3))])
    y = (rng.random(7) > 0.5).astype(float)
    return dict(theta=rng.normal(size=4), X=X, y=y, lam=1.5)
