import numpy as np


def features(theta, ids):
    """Embeds words, slides filters over every window of three, and keeps the largest of each."""
    words = theta["table"][ids]
    wide = np.concatenate([words[:, k:words.shape[1] - 2 + k] for k in range(3)], axis=2)
    act = np.maximum(wide @ theta["filters"] + theta["shift"], 0)
    best = act.argmax(axis=1)
    pooled = np.take_along_axis(act, best[:, None], axis=1)[:, 0]
    return pooled, (ids, words, wide, act, best)


def objective(theta, ids, labels, drop):
    pooled, cache = features(theta, ids)
    kept = pooled * drop
    logits = kept @ theta["head"]
    prob = 1 / (1 + np.exp(-logits))
    nll = -np.mean(labels * np.log(prob) + (1 - labels) * np.log(1 - prob))
    return nll, (cache, drop, labels, kept, prob)


def objective_gradient(theta, saved):
    (ids, words, wide, act, best), drop, labels, kept, prob = saved
    grad = {}
    d_logits = (prob - labels) / prob.size
    grad["head"] = kept.T @ d_logits
    d_kept = d_logits @ theta["head"].T
    d_pooled = d_kept * drop
    d_act = np.zeros_like(act)
    np.put_along_axis(d_act, best[:, None], d_pooled[:, None], axis=1)
    d_act[act <= 0] = 0
    grad["filters"] = np.einsum("bti,btf->if", wide, d_act)
    grad["shift"] = d_act.sum(axis=(0, 1))
    d_wide = d_act @ theta["filters"].T
    d_words = np.zeros_like(words)
    size = words.shape[2]
    for k in range(3):
        d_words[:, k:words.shape[1] - 2 + k] += d_wide[:, :, k * size:(k + 1) * size]
    grad["table"] = np.zeros_like(theta["table"])
    np.add.at(grad["table"], ids, d_words)
    return grad


def example(rng):
    theta = {
        "table": rng.normal(size=(7, 2)), "filters": rng.normal(size=(6, 4)),
        "shift": rng.normal(size=4), "head": rng.normal(size=(4, 3)),
    }
    return {
        "theta": theta, "ids": rng.integers(0, 7, size=(3, 5)),
        "labels": rng.integers(0, 2, size=(3, 3)) * 1.0,
        "drop": np.array([[1.0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]]) / 0.75,
    }
