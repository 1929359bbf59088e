import numpy as np


def forward(params, words, label):
    vecs = params["E"][words]
    mean = vecs.mean(axis=0)
    z = params["V"] @ mean + params["c"]
    z = z - z.max()
    p = np.exp(z) / np.exp(z).sum()
    return -np.log(p[label]), (words, label, mean, p)


def backward(params, cache):
    words, label, mean, p = cache
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dz = p.copy()
    dz[label] -= 1
    grads["V"] = np.outer(dz, mean)
    grads["c"] = dz
    dmean = params["V"].T @ dz
    np.add.at(grads["E"], words, dmean / len(words))
    return grads


def example(rng):
    return {
        "params": {
            "E": rng.normal(size=(9, 4)),
            "V": rng.normal(size=(3, 4)),
            "c": np.zeros(3),
        },
        "words": np.array([4, 1, 7, 2]),
        "label": 2,
    }
