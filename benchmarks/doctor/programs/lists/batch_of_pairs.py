import numpy as np


def total_cost(weights, biases, batch):
    total = 0.0
    for x, y in batch:
        for w, b in zip(weights, biases):
            x = np.tanh(w @ x + b)
        total += 0.5 * np.sum((x - y) ** 2)
    return total / len(batch)


def total_gradient(weights, biases, batch):
    nabla_w = [np.zeros(w.shape) for w in weights]
    nabla_b = [np.zeros(b.shape) for b in biases]
    for x, y in batch:
        a = [x]
        for w, b in zip(weights, biases):
            a.append(np.tanh(w @ a[-1] + b))
        delta = (a[-1] - y) * (1 - a[-1] ** 2)
        for k in range(len(weights) - 1, -1, -1):
            nabla_b[k] += delta
            nabla_w[k] += delta @ a[k].T
            delta = (weights[k].T @ delta) * (1 - a[k] ** 2)
    nabla_w = [n / len(batch) for n in nabla_w]
    nabla_b = [n / len(batch) for n in nabla_b]
    return nabla_w, nabla_b


def example(rng):
    return {
        "weights": [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))],
        "biases": [np.zeros((4, 1)), np.zeros((2, 1))],
        "batch": [(rng.normal(size=(3, 1)), rng.normal(size=(2, 1)))],
    }
