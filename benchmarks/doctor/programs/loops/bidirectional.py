import numpy as np


def scan(xs, W, U, b, h):
    hs = []
    for x in xs:
        h = np.tanh(W @ x + U @ h + b)
        hs.append(h)
    return hs


def birnn(xs, Wf, Uf, bf, Wb, Ub, bb, V, c):
    """xs: list of vectors. y_t = V [f_t; b_t] + c"""
    zero = np.zeros(bf.shape)
    f = scan(xs, Wf, Uf, bf, zero)
    r = scan(xs[::-1], Wb, Ub, bb, zero)[::-1]
    y = np.array([V @ np.concatenate([ft, rt]) + c for ft, rt in zip(f, r)])
    return y, (xs, f, r, Uf, Ub, Wf, Wb, V)


def scan_back(dhs, xs, hs, W, U):
    """dhs, xs and hs in the order in which the scan ran"""
    dW, dU = np.zeros(W.shape), np.zeros(U.shape)
    db = np.zeros(U.shape[0])
    dxs = [None] * len(xs)
    carry = np.zeros(U.shape[0])
    for t in range(len(xs) - 1, -1, -1):
        da = (dhs[t] + carry) * (1 - hs[t] ** 2)
        dW += np.outer(da, xs[t])
        if t > 0:
            dU += np.outer(da, hs[t - 1])
        db += da
        dxs[t] = W.T @ da
        carry = U.T @ da
    return dxs, dW, dU, db


def birnn_back(dy, cache):
    xs, f, r, Uf, Ub, Wf, Wb, V = cache
    H = len(f[0])
    dV = sum(np.outer(d, np.concatenate([ft, rt])) for d, ft, rt in zip(dy, f, r))
    dc = dy.sum(axis=0)
    df = [V[:, :H].T @ d for d in dy]
    dr = [V[:, H:].T @ d for d in dy]
    dx1, dWf, dUf, dbf = scan_back(df, xs, f, Wf, Uf)
    dx2, dWb, dUb, dbb = scan_back(dr[::-1], xs[::-1], r[::-1], Wb, Ub)
    dxs = [p + q for p, q in zip(dx1, dx2[::-1])]
    return dxs, {"Wf": dWf, "Uf": dUf, "bf": dbf, "Wb": dWb, "Ub": dUb, "bb": dbb, "V": dV, "c": dc}


def example(rng):
    D, H, K, T = 3, 4, 2, 4
    a = {"xs": [rng.normal(size=D) for _ in range(T)]}
    for s in "fb":
        a["W" + s] = rng.normal(size=(H, D))
        a["U" + s] = 0.5 * rng.normal(size=(H, H))
        a["b" + s] = rng.normal(size=H)
    a["V"], a["c"] = rng.normal(size=(K, 2 * H)), rng.normal(size=K)
    return a
