import numpy as np


def loss_and_grads(E, Wx, Wh, Wa, Wo, bo, ids, label):
    """Reads characters with a simple recurrent net, attends to all of its states with the last one,
    and classifies the text."""
    T, H = len(ids), Wh.shape[0]
    hs = [np.zeros(H)]
    for t in range(T):
        hs.append(np.tanh(E[ids[t]] @ Wx + hs[-1] @ Wh))
    S = np.array(hs[1:])
    q = Wa @ S[-1]
    scores = S @ q
    alpha = np.exp(scores - scores.max())
    alpha = alpha / alpha.sum()
    ctx = alpha @ S
    logits = ctx @ Wo + bo
    p = np.exp(logits - logits.max())
    p /= p.sum()
    loss = -np.log(p[label])

    dlogits = p.copy()
    dlogits[label] -= 1
    dWo = np.outer(ctx, dlogits)
    dbo = dlogits
    dctx = Wo @ dlogits
    dalpha = S @ dctx
    dS = np.outer(alpha, dctx)
    dscores = alpha * (dalpha - alpha @ dalpha)
    dS += np.outer(dscores, q)
    dq = dscores @ S
    dWa = np.outer(dq, S[-1])
    dS[-1] += Wa.T @ dq

    dE, dWx, dWh = np.zeros_like(E), np.zeros_like(Wx), np.zeros_like(Wh)
    dh = np.zeros(H)
    for t in range(T - 1, -1, -1):
        dh = dh + dS[t]
        draw = dh * (1 - hs[t + 1] ** 2)
        dWx += np.outer(E[ids[t]], draw)
        dWh += np.outer(hs[t], draw)
        dE[ids[t]] += Wx @ draw
        dh = Wh @ draw
    return loss, {"E": dE, "Wx": dWx, "Wh": dWh, "Wa": dWa, "Wo": dWo, "bo": dbo}


def example(rng):
    V, D, H, C = 5, 3, 4, 3
    return {
        "E": rng.normal(size=(V, D)),
        "Wx": rng.normal(size=(D, H)),
        "Wh": rng.normal(size=(H, H)) * 0.6,
        "Wa": rng.normal(size=(H, H)),
        "Wo": rng.normal(size=(H, C)),
        "bo": rng.normal(size=C),
        "ids": [1, 4, 0, 1, 2],
        "label": 2,
    }
