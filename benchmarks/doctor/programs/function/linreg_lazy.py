import numpy as np


# simple linear regression, my first gradient
def mse_and_grads(w, b, X, y):
    n = X.shape[0]
    y_hat = X @ w + b
    residual = y_hat - y
    mse = (residual ** 2).sum() / (2 * n)
    w_grad = X.T @ residual / n
    b_grad = residual.sum(axis=0) / n
    return mse, w_grad, b_grad


def example(rng):
    # one data point is enough to see if it runs
    return {"w": np.array([[0.5], [-2.0]]), "b": np.array([0.0]),
            "X": np.array([[1.0, 3.0]]), "y": np.array([[2.0]])}
