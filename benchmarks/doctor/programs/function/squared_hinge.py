import numpy as np


def l2svm(W, b, X, y, C=1.0):
    """Multiclass L2-SVM (squared hinge), one-vs-rest: labels become -1/+1 per class."""
    N = len(X)
    T = -np.ones((N, W.shape[1]))
    T[np.arange(N), y] = 1
    scores = X @ W + b
    slack = np.maximum(0, 1 - T * scores)
    loss = 0.5 * np.sum(W ** 2) + C / N * np.sum(slack ** 2)
    dscores = -2 * C / N * T * slack
    dW = W + X.T @ dscores
    db = dscores.sum(0)
    return loss, dW, db


def example(rng):
    return dict(W=rng.normal(size=(4, 3)), b=rng.normal(size=3), X=rng.normal(size=(6, 4)),
                y=rng.integers(3, size=6), C=2.5)
