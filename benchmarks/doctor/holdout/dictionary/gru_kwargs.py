import numpy as np


def _s(x):
    return 1.0 / (1.0 + np.exp(-x))


def gru_cell(x, h, **params):
    """One step.  h' = z h + (1 - z) n"""
    xh = np.concatenate([x, h], axis=1)
    z = _s(xh @ params["Wz"] + params["bz"])
    r = _s(xh @ params["Wr"] + params["br"])
    xrh = np.concatenate([x, r * h], axis=1)
    n = np.tanh(xrh @ params["Wn"] + params["bn"])
    new_h = z * h + (1 - z) * n
    return new_h, (xh, xrh, z, r, n, x, h)


def gru_cell_grad(dh_new, cache, **params):
    xh, xrh, z, r, n, x, h = cache
    D = x.shape[1]
    grads = {}

    dn = dh_new * (1 - z) * (1 - n**2)
    grads["Wn"] = xrh.T @ dn
    grads["bn"] = dn.sum(axis=0)
    dxrh = dn @ params["Wn"].T

    dz = dh_new * (h - n) * z * (1 - z)
    grads["Wz"] = xh.T @ dz
    grads["bz"] = dz.sum(axis=0)

    dr = dxrh[:, D:] * h * r * (1 - r)
    grads["Wr"] = xh.T @ dr
    grads["br"] = dr.sum(axis=0)

    dxh = dz @ params["Wz"].T + dr @ params["Wr"].T
    grads["x"] = dxrh[:, :D] + dxh[:, :D]
    grads["h"] = dh_new * z + dxrh[:, D:] * r + dxh[:, D:]
    return grads


def example(rng):
    n, d, k = 4, 3, 5
    args = {"x": rng.normal(size=(n, d)), "h": rng.normal(size=(n, k))}
    for gate in "zrn":
        args["W" + gate] = rng.normal(size=(d + k, k))
        args["b" + gate] = rng.normal(size=k)
    return args
