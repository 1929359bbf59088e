import numpy as np


def train_step(W, b, moment, second, images, digits, l2, step, rate=0.01, beta=0.9, gamma=0.999):
    """One step of Adam on softmax regression. Returns the loss, the gradients, the new values."""
    n = images.shape[0]
    scores = images.dot(W) + b
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_z = np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    chosen = scores[np.arange(n), digits][:, np.newaxis]
    loss = np.mean(log_z - chosen) + l2 * np.sum(W * W)

    grad_scores = np.exp(scores - log_z)
    grad_scores[np.arange(n), digits] -= 1.0
    grad_scores = grad_scores / n
    grad_W = images.T.dot(grad_scores)
    grad_W = grad_W + 2 * l2 * W
    grad_b = np.sum(grad_scores, axis=0)

    moment = beta * moment + (1 - beta) * grad_W
    second = gamma * second + (1 - gamma) * grad_W ** 2
    unbiased = moment / (1 - beta ** step)
    spread = np.sqrt(second / (1 - gamma ** step))
    W = W - rate * unbiased / (spread + 1e-8)
    b = b - rate * grad_b
    return loss, grad_W, grad_b, W, b


def example(rng):
    return {
        "W": rng.normal(size=(4, 3)), "b": rng.normal(size=3),
        "moment": np.zeros((4, 3)), "second": np.zeros((4, 3)),
        "images": rng.normal(size=(6, 4)), "digits": rng.integers(0, 3, size=6),
        "l2": 0.1, "step": 1,
    }
