import numpy as np


def nnCostFunction(nn_params, n_in, n_hid, n_out, X, y, lmbda):
    # unroll
    split = n_hid * (n_in + 1)
    Theta1 = nn_params[:split].reshape(n_hid, n_in + 1)
    Theta2 = nn_params[split:].reshape(n_out, n_hid + 1)
    m = X.shape[0]

    A1 = np.c_[np.ones(m), X]
    A2 = 1 / (1 + np.exp(-(A1 @ Theta1.T)))
    A2b = np.c_[np.ones(m), A2]
    H = 1 / (1 + np.exp(-(A2b @ Theta2.T)))
    Y = np.eye(n_out)[y]
    J = -np.sum(Y * np.log(H) + (1 - Y) * np.log(1 - H)) / m
    J += lmbda / (2 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    D3 = H - Y
    D2 = (D3 @ Theta2[:, 1:]) * A2 * (1 - A2)
    Theta1_grad = D2.T @ A1 / m
    Theta2_grad = D3.T @ A2b / m
    Theta1_grad[:, 1:] += lmbda / m * Theta1[:, 1:]
    Theta2_grad[:, 1:] += lmbda / m * Theta2[:, 1:]
    grad = np.concatenate([Theta1_grad.ravel(), Theta2_grad.ravel()])
    return J, grad


def example(rng):
    n_in, n_hid, n_out = 3, 4, 2
    size = n_hid * (n_in + 1) + n_out * (n_hid + 1)
    return {
        "nn_params": rng.uniform(-1, 1, size),
        "n_in": n_in,
        "n_hid": n_hid,
        "n_out": n_out,
        "X": rng.normal(size=(6, n_in)),
        "y": rng.integers(0, n_out, 6),
        "lmbda": 1.5,
    }
