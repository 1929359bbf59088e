import numpy as np

# name -> (function of z, derivative as a function of z)
ACTIVATIONS = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
}


def run(x, target, Ws, bs, acts):
    """x: (features, examples). Squared error, averaged over the examples."""
    a = [x]
    z = []
    for W, b, act in zip(Ws, bs, acts):
        z.append(W.dot(a[-1]) + b)
        a.append(ACTIVATIONS[act][0](z[-1]))
    loss = ((a[-1] - target) ** 2).sum() / x.shape[1]
    return loss, (a, z)


def gradients(cache, target, Ws, acts):
    a, z = cache
    m = target.shape[1]
    L = len(Ws)
    deltas = []
    for l in reversed(range(L)):
        fprime = ACTIVATIONS[acts[l]][1]
        if l == L - 1:
            err = 2 * (a[l + 1] - target) / m
        else:
            err = Ws[l + 1].T.dot(deltas[0])
        deltas.insert(0, err * fprime(z[l]))
    dWs = [deltas[l].dot(a[l].T) for l in range(L)]
    dbs = [d.sum(axis=1, keepdims=True) for d in deltas]
    dx = Ws[0].T.dot(deltas[0])
    return dWs, dbs, dx


def example(rng):
    n = [3, 5, 4, 6, 2]
    return dict(
        x=rng.normal(size=(n[0], 7)),
        target=rng.normal(size=(n[-1], 7)),
        Ws=[rng.normal(size=(n[i + 1], n[i])) * 0.6 for i in range(4)],
        bs=[rng.normal(size=(n[i + 1], 1)) for i in range(4)],
        acts=["tanh", "softplus", "sigmoid", "identity"],
    )
