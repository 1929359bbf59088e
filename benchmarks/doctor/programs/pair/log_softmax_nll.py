import numpy as np


def log_softmax_forward(x):
    shifted = x - x.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logp, logp


def log_softmax_backward(grad, logp):
    p = np.exp(logp)
    return grad - p * grad.sum(axis=1, keepdims=True)


def example(rng):
    return {"x": 2 * rng.normal(size=(3, 4))}
