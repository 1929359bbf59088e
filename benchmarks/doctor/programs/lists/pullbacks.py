import numpy as np


def dense(inp, weight, bias):
    def pull(up):
        return up @ weight.T, inp.T @ up, up.sum(0)

    return inp @ weight + bias, pull


def softsign(inp):
    size = 1 + np.abs(inp)

    def pull(up):
        return up / size ** 2

    return inp / size, pull


def dropout(inp, keep, rate):
    def pull(up):
        return up * keep / (1 - rate)

    return inp * keep / (1 - rate), pull


def nll(scores, labels):
    shifted = scores - scores.max(1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    rows = np.arange(len(labels))

    def pull():
        up = np.exp(logp)
        up[rows, labels] -= 1
        return up / len(labels)

    return -logp[rows, labels].mean(), pull


def value_and_grad(weights, biases, x, labels, keeps, rate):
    """The loss of a stack of layers, and its gradients, by pulling the error back through each."""
    tape, a = [], x
    for k, (w, b) in enumerate(zip(weights, biases)):
        a, back_dense = dense(a, w, b)
        back_act = back_drop = None
        if k < len(weights) - 1:
            a, back_act = softsign(a)
            a, back_drop = dropout(a, keeps[k], rate)
        tape.append((back_dense, back_act, back_drop))
    loss, back = nll(a, labels)
    up = back()
    g_weights, g_biases = [], []
    for back_dense, back_act, back_drop in reversed(tape):
        if back_act is not None:
            up = back_drop(up)
            up = back_act(up)
        up, gw, gb = back_dense(up)
        g_weights.append(gw)
        g_biases.append(gb)
    g_weights.reverse()
    g_biases.reverse()
    return loss, g_weights, g_biases


def example(rng):
    n = [4, 6, 5, 3]
    return {
        "weights": [rng.normal(size=s) for s in zip(n, n[1:])],
        "biases": [rng.normal(size=k) for k in n[1:]],
        "x": rng.normal(size=(7, 4)),
        "labels": rng.integers(0, 3, size=7),
        "keeps": [(rng.random((7, k)) < 0.7) * 1.0 for k in n[1:-1]],
        "rate": 0.3,
    }
