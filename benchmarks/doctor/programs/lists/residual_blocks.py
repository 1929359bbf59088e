import numpy as np


def resnet(x, Ws, Vs, head):
    """x <- x + scale * relu(x W) V for each block; logits = x head; binary cross-entropy later."""
    scale = 1 / np.sqrt(len(Ws))
    tape = []
    for W, V in zip(Ws, Vs):
        u = x @ W
        a = np.maximum(u, 0)
        tape.append((x, u, a))
        x = x + scale * (a @ V)
    return x @ head, (tape, x, scale)


def resnet_backward(dlogits, cache, Ws, Vs, head):
    tape, x_last, scale = cache
    dhead = x_last.T @ dlogits
    dx = dlogits @ head.T
    dWs, dVs = [], []
    for (x, u, a), W, V in zip(tape[::-1], Ws[::-1], Vs[::-1]):
        dbranch = scale * dx
        dVs.append(a.T @ dbranch)
        du = dbranch @ V.T * (u > 0)
        dWs.append(x.T @ du)
        dx = dx + du @ W.T
    dWs.reverse()
    dVs.reverse()
    return dx, dWs, dVs, dhead


def example(rng):
    width, inner, blocks = 3, 5, 3
    return {"x": rng.normal(size=(4, width)),
            "Ws": [rng.normal(size=(width, inner)) for _ in range(blocks)],
            "Vs": [rng.normal(size=(inner, width)) for _ in range(blocks)],
            "head": rng.normal(size=(width, 2))}
