import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def relu(Z):
    return np.maximum(0, Z)


def relu_backward(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, Z):
    s = sigmoid(Z)
    dZ = dA * s * (1 - s)
    return dZ


def linear_backward(dZ, A_prev, W, lambd):
    m = A_prev.shape[1]
    dW = 1 / m * np.dot(dZ, A_prev.T) + lambd / m * W
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def L_model_forward(X, Y, parameters, lambd):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L + 1):
        A_prev = A
        W = parameters['W' + str(l)]
        b = parameters['b' + str(l)]
        Z = np.dot(W, A_prev) + b
        A = sigmoid(Z) if l == L else relu(Z)
        caches.append((A_prev, W, Z))
    m = X.shape[1]
    cross = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    l2 = sum(np.sum(np.square(parameters['W' + str(l)])) for l in range(1, L + 1))
    return cross + lambd / (2 * m) * l2, A, caches


def L_model_backward(AL, Y, caches, lambd):
    grads = {}
    L = len(caches)
    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))

    A_prev, W, Z = caches[L - 1]
    dZ = sigmoid_backward(dAL, Z)
    grads['dA' + str(L - 1)], grads['dW' + str(L)], grads['db' + str(L)] = linear_backward(dZ, A_prev, W, lambd)

    for l in reversed(range(L - 1)):
        A_prev, W, Z = caches[l]
        dZ = relu_backward(grads['dA' + str(l + 1)], Z)
        dA_prev, dW, db = linear_backward(dZ, A_prev, W, lambd)
        grads['dA' + str(l)] = dA_prev
        grads['dW' + str(l + 1)] = dW
        grads['db' + str(l + 1)] = db
    return grads


def example(rng):
    dims = [4, 6, 5, 1]
    parameters = {}
    for l in range(1, len(dims)):
        parameters['W' + str(l)] = rng.standard_normal((dims[l], dims[l - 1]))
        parameters['b' + str(l)] = rng.standard_normal((dims[l], 1))
    return {
        'X': rng.standard_normal((4, 7)),
        'Y': (rng.random((1, 7)) > 0.5) * 1.0,
        'parameters': parameters,
        'lambd': 0.7,
    }
