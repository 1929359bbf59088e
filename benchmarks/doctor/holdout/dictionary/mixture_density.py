import numpy as np


def mdn_loss(params, x, t):
    """Mixture of K one-dimensional Gaussians whose parameters are outputs of a small net."""
    h = np.tanh(x @ params["w_h"] + params["b_h"])
    a = h @ params["w_pi"]
    mu = h @ params["w_mu"]
    ls = h @ params["w_ls"]                       # log sigma
    log_pi = a - np.log(np.exp(a).sum(1, keepdims=True))
    q = (t[:, None] - mu) * np.exp(-ls)
    comp = log_pi - ls - 0.5 * q**2 - 0.5 * np.log(2 * np.pi)
    top = comp.max(1, keepdims=True)
    lse = top + np.log(np.exp(comp - top).sum(1, keepdims=True))
    cache = {"x": x, "h": h, "pi": np.exp(log_pi), "q": q, "ls": ls, "resp": np.exp(comp - lse)}
    return -lse.sum(), cache


def mdn_grads(params, cache):
    x, h, pi, q, ls, resp = (cache[k] for k in ("x", "h", "pi", "q", "ls", "resp"))
    g_a = pi - resp
    g_mu = -resp * q * np.exp(-ls)
    g_ls = resp * (1 - q**2)
    out = {
        "w_pi": h.T @ g_a,
        "w_mu": h.T @ g_mu,
        "w_ls": h.T @ g_ls,
    }
    g_h = g_a @ params["w_pi"].T + g_mu @ params["w_mu"].T + g_ls @ params["w_ls"].T
    g_z = g_h * (1 - h**2)
    out["w_h"] = x.T @ g_z
    out["b_h"] = g_z.sum(0)
    return out


def example(rng):
    N, D, H, K = 5, 2, 6, 3
    p = {k: rng.normal(size=(H, K)) for k in ("w_pi", "w_mu", "w_ls")}
    p["w_ls"] *= 0.3
    p["w_h"], p["b_h"] = rng.normal(size=(D, H)), rng.normal(size=H)
    return {"params": p, "x": rng.normal(size=(N, D)), "t": rng.normal(size=N)}
