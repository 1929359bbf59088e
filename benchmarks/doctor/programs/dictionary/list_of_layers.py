import numpy as np

# params: list of (W, b) dicts, one per layer. softplus everywhere but the last layer.


def softplus(z):
    return np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)


def softplus_grad(z):
    return 1.0 / (1.0 + np.exp(-z))


def forward(params, x, target):
    acts, pres = [x], []
    for i, layer in enumerate(params):
        z = acts[-1].dot(layer["W"]) + layer["b"]
        pres.append(z)
        acts.append(z if i == len(params) - 1 else softplus(z))
    diff = acts[-1] - target
    return 0.5 * (diff ** 2).sum(axis=1).mean(), (acts, pres, diff)


def backward(params, cache):
    acts, pres, diff = cache
    grads = [None] * len(params)
    delta = diff / diff.shape[0]
    for i in range(len(params) - 1, -1, -1):
        if i < len(params) - 1:
            delta = delta * softplus_grad(pres[i])
        grads[i] = {"W": acts[i].T.dot(delta), "b": delta.sum(axis=0)}
        delta = delta.dot(params[i]["W"].T)
    return grads


def example(rng):
    sizes = [3, 5, 4, 2]
    params = [
        {"W": rng.normal(size=(a, b)), "b": rng.normal(size=b)} for a, b in zip(sizes, sizes[1:])
    ]
    return {"params": params, "x": rng.normal(size=(6, 3)), "target": rng.normal(size=(6, 2))}
