import numpy as np


def run(ids, target, Emb, Wx, Wh, bh, Wo, h_start):
    """Reads letters one by one, guesses the class at the end."""
    hs, xs = {-1: h_start}, {}
    for t, k in enumerate(ids):
        xs[t] = Emb[k]
        hs[t] = np.tanh(Wx @ xs[t] + Wh @ hs[t - 1] + bh)
    T = len(ids)
    o = Wo @ hs[T - 1]
    q = np.exp(o - o.max())
    q /= q.sum()
    loss = -np.log(q[target])

    dEmb, dWx, dWh = np.zeros_like(Emb), np.zeros_like(Wx), np.zeros_like(Wh)
    dbh = np.zeros_like(bh)
    do = q.copy()
    do[target] -= 1
    dWo = np.outer(do, hs[T - 1])
    dh = Wo.T @ do
    for t in reversed(range(T)):
        draw = dh * (1 - hs[t] ** 2)
        dbh += draw
        dWx += np.outer(draw, xs[t])
        dWh += np.outer(draw, hs[t - 1])
        dEmb[ids[t]] += Wx.T @ draw
        dh = Wh.T @ draw
    return loss, dEmb, dWx, dWh, dbh, dWo


def example(rng):
    return {
        "ids": [3, 0, 5, 2],
        "target": 1,
        "Emb": rng.normal(size=(6, 3)),
        "Wx": rng.normal(size=(4, 3)),
        "Wh": rng.normal(size=(4, 4)),
        "bh": np.zeros(4),
        "Wo": rng.normal(size=(2, 4)),
        "h_start": np.zeros(4),
    }
