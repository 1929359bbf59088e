import numpy as np


def moe_forward(x, gate_w, experts):
    """experts: list of (A, B); expert e gives relu(x A_e) B_e, weighted by softmax(x gate_w)."""
    g = np.exp(x @ gate_w)
    g = g / g.sum(axis=1, keepdims=True)
    hiddens = [np.maximum(x @ A, 0) for A, _ in experts]
    outs = [h @ B for h, (_, B) in zip(hiddens, experts)]
    y = sum(g[:, e : e + 1] * o for e, o in enumerate(outs))
    return y, (x, g, hiddens, outs)


def moe_backward(dy, cache, gate_w, experts):
    x, g, hiddens, outs = cache
    d_experts = []
    dg = np.empty_like(g)
    dx = np.zeros_like(x)
    for e, (A, B) in enumerate(experts):
        dg[:, e] = np.sum(dy * outs[e], axis=1)
        do = dy * g[:, e : e + 1]
        dB = hiddens[e].T @ do
        dh = do @ B.T
        dh[hiddens[e] == 0] = 0
        d_experts.append((x.T @ dh, dB))
        dx += dh @ A.T
    da = g * (dg - np.sum(g * dg, axis=1, keepdims=True))
    d_gate = x.T @ da
    dx += da @ gate_w.T
    return dx, d_gate, d_experts


def example(rng):
    n, d, h, o, E = 6, 4, 5, 2, 3
    experts = [(rng.normal(size=(d, h)), rng.normal(size=(h, o))) for _ in range(E)]
    return {"x": rng.normal(size=(n, d)), "gate_w": rng.normal(size=(d, E)), "experts": experts}
