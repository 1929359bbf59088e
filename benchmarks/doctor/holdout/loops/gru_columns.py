import numpy as np

# character model, one sequence, every vector is a column


def sig(a):
    return 1 / (1 + np.exp(-a))


def loss_fn(inputs, targets, h0, Wz, Uz, Wr, Ur, Wc, Uc, Wy, by):
    V = Wy.shape[0]
    x, h, z, r, c, p = {}, {}, {}, {}, {}, {}
    h[-1] = np.copy(h0)
    loss = 0
    for t in range(len(inputs)):
        x[t] = np.zeros((V, 1))
        x[t][inputs[t]] = 1
        z[t] = sig(Wz.dot(x[t]) + Uz.dot(h[t - 1]))
        r[t] = sig(Wr.dot(x[t]) + Ur.dot(h[t - 1]))
        c[t] = np.tanh(Wc.dot(x[t]) + Uc.dot(r[t] * h[t - 1]))
        h[t] = (1 - z[t]) * h[t - 1] + z[t] * c[t]
        y = Wy.dot(h[t]) + by
        p[t] = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(p[t][targets[t], 0])

    gWz, gUz, gWr, gUr = (np.zeros_like(w) for w in (Wz, Uz, Wr, Ur))
    gWc, gUc, gWy, gby = (np.zeros_like(w) for w in (Wc, Uc, Wy, by))
    gh_next = np.zeros_like(h0)
    for t in range(len(inputs) - 1, -1, -1):
        gy = np.copy(p[t])
        gy[targets[t]] -= 1
        gWy += gy.dot(h[t].T)
        gby += gy
        gh = Wy.T.dot(gy) + gh_next
        gc = gh * z[t] * (1 - c[t] ** 2)
        gz = gh * (c[t] - h[t - 1]) * z[t] * (1 - z[t])
        grh = Uc.T.dot(gc)
        gr = grh * h[t - 1] * r[t] * (1 - r[t])
        gWc += gc.dot(x[t].T)
        gUc += gc.dot((r[t] * h[t - 1]).T)
        gWz += gz.dot(x[t].T)
        gUz += gz.dot(h[t - 1].T)
        gWr += gr.dot(x[t].T)
        gUr += gr.dot(h[t - 1].T)
        gh_next = gh * (1 - z[t]) + grh * r[t]
        gh_next += Uz.T.dot(gz) + Ur.T.dot(gr)
    return loss, gWz, gUz, gWr, gUr, gWc, gUc, gWy, gby, gh_next


def example(rng):
    V, H = 5, 4
    d = {"inputs": [0, 3, 1, 3], "targets": [3, 1, 3, 4], "h0": rng.normal(size=(H, 1))}
    for k in ("Wz", "Wr", "Wc"):
        d[k] = rng.normal(size=(H, V))
    for k in ("Uz", "Ur", "Uc"):
        d[k] = rng.normal(size=(H, H))
    d["Wy"], d["by"] = rng.normal(size=(V, H)), rng.normal(size=(V, 1))
    return d
