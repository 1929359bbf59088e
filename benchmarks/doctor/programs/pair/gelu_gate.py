import numpy as np

C0 = np.sqrt(2.0 / np.pi)
C1 = 0.044715


def geglu_forward(x, V, U):
    gate = x @ V
    val = x @ U
    t = np.tanh(C0 * (gate + C1 * gate ** 3))
    act = 0.5 * gate * (1.0 + t)
    return act * val, (x, V, U, gate, val, t, act)


def geglu_backward(dy, cache):
    x, V, U, gate, val, t, act = cache
    dval = dy * act
    dact = dy * val
    inner = C0 * (1.0 + 3.0 * C1 * gate ** 2)
    dgate = dact * (0.5 * (1.0 + t) + 0.5 * gate * (1.0 - t ** 2) * inner)
    dV = x.T @ dgate
    dU = x.T @ dval
    dx = dgate @ V.T + dval @ U.T
    return dx, dV, dU


def example(rng):
    return {"x": rng.normal(size=(4, 3)), "V": rng.normal(size=(3, 5)), "U": rng.normal(size=(3, 5))}
