import numpy as np


def sigm(x):
    return 1 / (1 + np.exp(-x))


def sparse_autoencoder_cost(W1, W2, b1, b2, data, lambda_, sparsity_param, beta):
    """
    UFLDL-style sparse autoencoder.

    data is (visible, m): every column is one example.
    W1 (hidden, visible), b1 (hidden,), W2 (visible, hidden), b2 (visible,)
    """
    m = data.shape[1]

    # Forward propagation
    z2 = W1.dot(data) + b1[:, None]
    a2 = sigm(z2)
    z3 = W2.dot(a2) + b2[:, None]
    h = sigm(z3)

    # Sparsity: average activation of each hidden unit
    rho_hat = np.sum(a2, axis=1) / m
    rho = sparsity_param
    KL = np.sum(rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat)))
    cost = (np.sum((h - data) ** 2) / (2 * m)
            + (lambda_ / 2) * (np.sum(W1 ** 2) + np.sum(W2 ** 2))
            + beta * KL)

    # Backprop
    sparsity_delta = -rho / rho_hat + (1 - rho) / (1 - rho_hat)
    delta3 = -(data - h) * h * (1 - h)
    delta2 = (W2.T.dot(delta3) + beta * sparsity_delta[:, None]) * a2 * (1 - a2)

    W1grad = delta2.dot(data.T) / m + lambda_ * W1
    W2grad = delta3.dot(a2.T) / m + lambda_ * W2
    b1grad = np.sum(delta2, axis=1) / m
    b2grad = np.sum(delta3, axis=1) / m
    return cost, W1grad, W2grad, b1grad, b2grad


def example(rng):
    visible, hidden, m = 6, 4, 5
    r = np.sqrt(6) / np.sqrt(hidden + visible + 1)
    return dict(W1=rng.random((hidden, visible)) * 2 * r - r,
                W2=rng.random((visible, hidden)) * 2 * r - r,
                b1=rng.normal(size=hidden) * 0.1, b2=rng.normal(size=visible) * 0.1,
                data=rng.random((visible, m)), lambda_=0.01, sparsity_param=0.05, beta=3)
