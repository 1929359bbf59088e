# ported from a MATLAB script: features x examples, a row of ones for the bias, .* became *
import numpy as np


def sigmoidGradient(z):
    g = 1 / (1 + np.exp(-z))
    return g * (1 - g)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def addOnes(A):
    return np.vstack((np.ones((1, A.shape[1])), A))


def costFunction(X, Y, Theta, lambda_):
    m = X.shape[1]
    a1 = addOnes(X)
    z2 = np.matmul(Theta[1], a1)
    a2 = addOnes(sigmoid(z2))
    z3 = np.matmul(Theta[2], a2)
    a3 = addOnes(sigmoid(z3))
    z4 = np.matmul(Theta[3], a3)
    h = sigmoid(z4)
    J = -(1 / m) * np.sum(Y * np.log(h) + (1 - Y) * np.log(1 - h))
    for l in (1, 2, 3):
        J = J + lambda_ / (2 * m) * np.sum(Theta[l][:, 1:] ** 2)
    return J, {"a1": a1, "z2": z2, "a2": a2, "z3": z3, "a3": a3, "h": h}


def gradient(Y, Theta, lambda_, s):
    m = Y.shape[1]
    Theta_grad = {}
    d4 = s["h"] - Y
    d3 = np.matmul(Theta[3].T, d4)[1:, :] * sigmoidGradient(s["z3"])
    d2 = np.matmul(Theta[2].T, d3)[1:, :] * sigmoidGradient(s["z2"])
    Theta_grad[3] = np.matmul(d4, s["a3"].T) / m
    Theta_grad[2] = np.matmul(d3, s["a2"].T) / m
    Theta_grad[1] = np.matmul(d2, s["a1"].T) / m
    for l in (1, 2, 3):
        Theta_grad[l][:, 1:] = Theta_grad[l][:, 1:] + lambda_ / m * Theta[l][:, 1:]
    return Theta_grad


def example(rng):
    n = [3, 4, 5, 2]
    Theta = {l: rng.standard_normal((n[l], n[l - 1] + 1)) for l in (1, 2, 3)}
    X = rng.standard_normal((3, 6))
    Y = (rng.random((2, 6)) < 0.5) * 1.0
    return {"X": X, "Y": Y, "Theta": Theta, "lambda_": 0.7}
