import numpy as np


def xent_forward(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = logits.shape[0]
    return -logp[np.arange(n), labels].mean(), (logp, labels)


def xent_backward(cache):
    logp, labels = cache
    n = logp.shape[0]
    dlogits = np.exp(logp)
    dlogits[np.arange(n), labels] -= 1
    return dlogits / n


def example(rng):
    return {"logits": rng.normal(size=(4, 4)), "labels": np.array([1, 3, 0, 3])}
