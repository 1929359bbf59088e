# Exercise 4: neural network with one hidden layer, labels 1..K as in the Octave version
import numpy as np
from numpy import dot, exp, log, ones, zeros


def sigmoid(z):
    return 1.0 / (1.0 + exp(-z))


def sigmoidGradient(z):
    g = sigmoid(z)
    return g * (1 - g)


def nnCostFunction(Theta1, Theta2, X, y, lambda_):
    m = X.shape[0]
    num_labels = Theta2.shape[0]
    Theta1_grad = zeros(Theta1.shape)
    Theta2_grad = zeros(Theta2.shape)

    # Part 1: feedforward and cost
    A1 = np.hstack((ones((m, 1)), X))
    Z2 = dot(A1, Theta1.T)
    A2 = np.hstack((ones((m, 1)), sigmoid(Z2)))
    H = sigmoid(dot(A2, Theta2.T))
    Y = np.eye(num_labels)[y - 1]
    J = np.sum(-Y * log(H) - (1 - Y) * log(1 - H)) / m
    J = J + lambda_ / (2.0 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    # Part 2: backpropagation, example by example
    for t in range(m):
        a_1 = A1[t]
        z_2 = Z2[t]
        a_2 = A2[t]
        delta_3 = H[t] - Y[t]
        delta_2 = dot(Theta2.T, delta_3)[1:] * sigmoidGradient(z_2)
        Theta1_grad += np.outer(delta_2, a_1)
        Theta2_grad += np.outer(delta_3, a_2)

    Theta1_grad /= m
    Theta2_grad /= m

    # Part 3: regularization, not for the bias column
    Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]
    Theta2_grad[:, 1:] += lambda_ / m * Theta2[:, 1:]
    return J, Theta1_grad, Theta2_grad


def example(rng):
    return {"Theta1": rng.uniform(-1, 1, size=(5, 4)), "Theta2": rng.uniform(-1, 1, size=(3, 6)),
            "X": rng.normal(size=(8, 3)), "y": 1 + np.arange(8) % 3, "lambda_": 1.0}
