import numpy as np


def forward_pass(model, X, y):
    W1, gamma, beta, W2 = model["W1"], model["gamma"], model["beta"], model["W2"]
    h = X @ W1
    mu = np.mean(h, axis=0)
    var = np.var(h, axis=0)
    h_norm = (h - mu) / np.sqrt(var + 1e-8)
    h_bn = gamma * h_norm + beta
    a = np.maximum(h_bn, 0)
    logits = a @ W2
    logits = logits - np.max(logits, axis=1, keepdims=True)
    prob = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    loss = -np.mean(np.log(prob[np.arange(len(y)), y]))
    return loss, (X, h, mu, var, h_norm, a, prob, y)


def backward_pass(model, cache):
    X, h, mu, var, h_norm, a, prob, y = cache
    m = len(y)
    one_hot = np.zeros_like(prob)
    one_hot[np.arange(m), y] = 1
    d_logits = (prob - one_hot) / m
    dW2 = a.T @ d_logits
    da = d_logits @ model["W2"].T
    dh_bn = da * (a > 0)
    dgamma = (dh_bn * h_norm).sum(axis=0)
    dbeta = dh_bn.sum(axis=0)
    dh_norm = dh_bn * model["gamma"]
    inv_std = 1 / np.sqrt(var + 1e-8)
    dh = inv_std / m * (m * dh_norm - dh_norm.sum(axis=0) - h_norm * (dh_norm * h_norm).sum(axis=0))
    dW1 = X.T @ dh
    return dict(W1=dW1, gamma=dgamma, beta=dbeta, W2=dW2)


def example(rng):
    model = dict(
        W1=rng.normal(size=(4, 5)),
        gamma=rng.uniform(0.5, 2.0, 5),
        beta=rng.normal(size=5),
        W2=rng.normal(size=(5, 3)),
    )
    return dict(model=model, X=rng.normal(size=(7, 4)), y=rng.integers(0, 3, 7))
