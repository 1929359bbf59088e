import numpy as np

WEIGHT_DECAY = 0.0
LABEL_SMOOTHING = 0.0
STEP = 0.1


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss_and_grads(W, b, x, labels):
    n, k = len(x), W.shape[1]
    goal = np.full((n, k), LABEL_SMOOTHING / k)
    goal[np.arange(n), labels] += 1 - LABEL_SMOOTHING
    p = softmax(x @ W + b)
    loss = -(goal * np.log(p)).sum() / n + WEIGHT_DECAY * (W**2).sum()
    dscores = (p - goal) / n
    dW = x.T @ dscores + 2 * WEIGHT_DECAY * W
    db = dscores.sum(axis=0)
    return loss, {"W": dW, "b": db}


def train(W, b, x, labels, steps):
    for _ in range(steps):
        _, grads = loss_and_grads(W, b, x, labels)
        W, b = W - STEP * grads["W"], b - STEP * grads["b"]
    return W, b


def example(rng):
    return {
        "W": rng.normal(size=(4, 3)),
        "b": np.zeros(3),
        "x": rng.normal(size=(5, 4)),
        "labels": rng.integers(0, 3, size=5),
    }
