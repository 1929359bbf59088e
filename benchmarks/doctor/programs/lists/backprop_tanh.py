import numpy as np

# Nielsen's algorithm as a function, tanh everywhere, one example at a time


def tanh_prime(z):
    return 1.0 - np.tanh(z) ** 2


def quadratic_cost(weights, biases, x, y):
    a = x
    for w, b in zip(weights, biases):
        a = np.tanh(w.dot(a) + b)
    return float(((a - y) ** 2).sum())


def backprop(weights, biases, x, y):
    nabla_b = [np.zeros_like(b) for b in biases]
    nabla_w = [np.zeros_like(w) for w in weights]
    activation, activations, zs = x, [x], []
    for w, b in zip(weights, biases):
        z = w.dot(activation) + b
        zs.append(z)
        activation = np.tanh(z)
        activations.append(activation)

    delta = 2 * (activations[-1] - y) * tanh_prime(zs[-1])
    for l in range(1, len(weights) + 1):
        if l > 1:
            delta = weights[-l + 1].T.dot(delta) * tanh_prime(zs[-l])
        nabla_b[-l] += delta
        nabla_w[-l] += delta.dot(activations[-l - 1].T)
    return nabla_w, nabla_b


def example(rng):
    # every layer has two neurons
    w = [np.array([[1.0, -0.5], [-0.5, 2.0]]), np.array([[0.3, 0.8], [0.8, -1.0]])]
    return {"weights": w, "biases": [np.zeros((2, 1)), np.zeros((2, 1))],
            "x": np.array([[0.7], [-0.4]]), "y": np.array([[0.0], [1.0]])}
