import numpy as np

# square hidden layers and no decay in the example: everything fits everywhere


def net_loss(X, target, Ws, bs, decay):
    cache = [X]
    for k, (W, b) in enumerate(zip(Ws, bs)):
        S = cache[-1].dot(W) + b
        if k < len(Ws) - 1:
            S = S / (1 + np.abs(S))          # softsign
        cache.append(S)
    scores = cache[-1] - cache[-1].max(axis=1, keepdims=True)
    P = np.exp(scores)
    P /= P.sum(axis=1, keepdims=True)
    data = -np.mean(np.sum(target * np.log(P), axis=1))
    reg = 0.5 * decay * sum((W ** 2).sum() for W in Ws)
    return data + reg, (cache, P)


def net_grads(target, Ws, cache, P, decay):
    dWs, dbs = [], []
    dS = (P - target) / len(target)
    for k in range(len(Ws))[::-1]:
        dWs = [cache[k].T.dot(dS) + decay * Ws[k]] + dWs
        dbs = [dS.sum(axis=0)] + dbs
        dA = dS.dot(Ws[k].T)
        dS = dA * (1 - np.abs(cache[k])) ** 2
    return dWs, dbs, dA


def example(rng):
    k = 4
    return {
        "X": rng.normal(size=(k, k)),
        "target": np.eye(k)[rng.permutation(k)],
        "Ws": [rng.normal(size=(k, k)) for _ in range(3)],
        "bs": [np.zeros(k) for _ in range(3)],
        "decay": 0.0,
    }
