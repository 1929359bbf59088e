import numpy as np


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def run_forward(seq, P):
    """seq: list of (features,) vectors; returns the last hidden state."""
    n = P["Wi"].shape[0]
    h, s = np.zeros(n), np.zeros(n)
    tape = []
    for x in seq:
        v = np.concatenate((h, x, [1.0]))
        i = logistic(P["Wi"] @ v + P["pi"] * s)
        f = logistic(P["Wf"] @ v + P["pf"] * s)
        u = np.tanh(P["Wu"] @ v)
        s_old = s
        s = f * s_old + i * u
        o = logistic(P["Wo"] @ v + P["po"] * s)
        h = o * np.tanh(s)
        tape.append({"v": v, "i": i, "f": f, "u": u, "o": o, "s": s, "s_old": s_old})
    return h, tape


def run_backward(grad_h, tape, P):
    n = len(grad_h)
    G = {name: np.zeros_like(value) for name, value in P.items()}
    grad_s = np.zeros(n)
    for step in reversed(tape):
        v, i, f, u, o = step["v"], step["i"], step["f"], step["u"], step["o"]
        s, s_old = step["s"], step["s_old"]
        th = np.tanh(s)
        do = grad_h * th * o * (1 - o)
        ds = grad_s + grad_h * o * (1 - th**2) + do * P["po"]
        di = ds * u * i * (1 - i)
        df = ds * s_old * f * (1 - f)
        du = ds * i * (1 - u**2)
        G["Wo"] += np.outer(do, v)
        G["Wi"] += np.outer(di, v)
        G["Wf"] += np.outer(df, v)
        G["Wu"] += np.outer(du, v)
        G["po"] += do * s
        G["pi"] += di * s_old
        G["pf"] += df * s_old
        grad_v = P["Wo"].T @ do + P["Wi"].T @ di + P["Wf"].T @ df + P["Wu"].T @ du
        grad_h = grad_v[:n]
        grad_s = ds * f + di * P["pi"] + df * P["pf"]
    return G


def example(rng):
    n, d = 3, 2
    P = {k: rng.normal(size=(n, n + d + 1)) for k in ("Wi", "Wf", "Wu", "Wo")}
    P.update({k: rng.normal(size=n) for k in ("pi", "pf", "po")})
    return {"seq": [rng.normal(size=d) for _ in range(4)], "P": P}
