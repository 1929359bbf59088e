import numpy as np

DROP = 0.25
EPS = 1e-5


def norm(x):
    mu = x.mean(-1, keepdims=True)
    sd = np.sqrt(((x - mu) ** 2).mean(-1, keepdims=True) + EPS)
    return (x - mu) / sd, sd


def norm_vjp(dn, n, sd):
    return (dn - dn.mean(-1, keepdims=True) - n * (dn * n).mean(-1, keepdims=True)) / sd


def block(p, x, seed=0):
    """Pre-norm feed-forward block: x + dropout(relu(norm(x) U + u) V + v)"""
    n, sd = norm(x)
    k = (n * p["scale"]) @ p["U"] + p["u"]
    r = np.maximum(k, 0)
    f = r @ p["V"] + p["v"]
    keep = np.random.default_rng(seed).random(f.shape) >= DROP
    y = x + f * keep / (1 - DROP)
    return y, {"n": n, "sd": sd, "r": r, "keep": keep}


def block_vjp(p, tape, dy):
    grad = dict.fromkeys(p)
    df = dy * tape["keep"] / (1 - DROP)
    grad["V"] = np.einsum("btr,btd->rd", tape["r"], df)
    grad["v"] = df.sum((0, 1))
    dk = np.einsum("btd,rd->btr", df, p["V"]) * (tape["r"] > 0)
    grad["U"] = np.einsum("btd,btr->dr", tape["n"] * p["scale"], dk)
    grad["u"] = dk.sum((0, 1))
    dscaled = np.einsum("btr,dr->btd", dk, p["U"])
    grad["scale"] = (dscaled * tape["n"]).sum((0, 1))
    dx = dy + norm_vjp(dscaled * p["scale"], tape["n"], tape["sd"])
    return dx, grad


def example(rng):
    d, r = 4, 7
    p = {"scale": rng.normal(size=d), "U": rng.normal(size=(d, r)), "u": rng.normal(size=r),
         "V": rng.normal(size=(r, d)), "v": rng.normal(size=d)}
    return {"p": p, "x": rng.normal(size=(2, 3, d)), "seed": 5}
