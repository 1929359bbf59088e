import numpy as np


def model_forward(X, Y, parameters):
    """Two hidden layers with batch normalisation (columns are examples), sigmoid output."""
    caches = {"A0": X}
    A = X
    for l in (1, 2):
        W, gamma, beta = parameters[f"W{l}"], parameters[f"gamma{l}"], parameters[f"beta{l}"]
        Z = W @ A
        mu = np.mean(Z, axis=1, keepdims=True)
        sigma2 = np.mean((Z - mu) ** 2, axis=1, keepdims=True)
        Z_norm = (Z - mu) / np.sqrt(sigma2 + 1e-8)
        Z_tilde = gamma * Z_norm + beta
        A = np.maximum(0.05 * Z_tilde, Z_tilde)
        caches[f"sigma2{l}"], caches[f"Z_norm{l}"] = sigma2, Z_norm
        caches[f"Z_tilde{l}"], caches[f"A{l}"] = Z_tilde, A
    Z3 = parameters["W3"] @ A + parameters["b3"]
    A3 = 1 / (1 + np.exp(-Z3))
    caches["A3"], caches["Y"] = A3, Y
    m = X.shape[1]
    cost = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    return cost, caches


def model_backward(parameters, caches):
    grads = {}
    Y = caches["Y"]
    m = Y.shape[1]
    dZ3 = (caches["A3"] - Y) / m
    grads["dW3"] = dZ3 @ caches["A2"].T
    grads["db3"] = np.sum(dZ3, axis=1, keepdims=True)
    dA = parameters["W3"].T @ dZ3
    for l in (2, 1):
        Z_norm = caches[f"Z_norm{l}"]
        dZ_tilde = dA * np.where(caches[f"Z_tilde{l}"] > 0, 1, 0.05)
        grads[f"dgamma{l}"] = np.sum(dZ_tilde * Z_norm, axis=1, keepdims=True)
        grads[f"dbeta{l}"] = np.sum(dZ_tilde, axis=1, keepdims=True)
        dZ_norm = dZ_tilde * parameters[f"gamma{l}"]
        mean_d = np.mean(dZ_norm, axis=1, keepdims=True)
        mean_dz = np.mean(dZ_norm * Z_norm, axis=1, keepdims=True)
        dZ = (dZ_norm - mean_d - Z_norm * mean_dz) / np.sqrt(caches[f"sigma2{l}"] + 1e-8)
        grads[f"dW{l}"] = dZ @ caches[f"A{l - 1}"].T
        dA = parameters[f"W{l}"].T @ dZ
    return grads


def example(rng):
    n = [4, 5, 3, 1]
    parameters = {"W3": rng.normal(size=(n[3], n[2])), "b3": rng.normal(size=(n[3], 1))}
    for l in (1, 2):
        parameters[f"W{l}"] = rng.normal(size=(n[l], n[l - 1]))
        parameters[f"gamma{l}"] = rng.normal(size=(n[l], 1))
        parameters[f"beta{l}"] = rng.normal(size=(n[l], 1))
    return {"X": rng.normal(size=(4, 7)), "Y": np.array([[0.0, 1, 1, 0, 1, 0, 1]]), "parameters": parameters}
