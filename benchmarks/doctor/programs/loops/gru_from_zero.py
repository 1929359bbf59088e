import numpy as np


def sig(a):
    return 1 / (1 + np.exp(-a))


def step_forward(x, h_prev, Wz, Uz, Wn, Un):
    z = sig(Wz @ x + Uz @ h_prev)
    n = np.tanh(Wn @ x + Un @ h_prev)
    h = z * h_prev + (1 - z) * n
    return h, (x, h_prev, z, n, Uz, Un, Wz, Wn)


def step_backward(dh, cache):
    x, h_prev, z, n, Uz, Un, Wz, Wn = cache
    dz = dh * (h_prev - n) * z * (1 - z)
    dn = dh * (1 - z) * (1 - n * n)
    dWz, dUz = np.outer(dz, x), np.outer(dz, h_prev)
    dWn, dUn = np.outer(dn, x), np.outer(dn, h_prev)
    dx = Wz.T @ dz + Wn.T @ dn
    return dx, dWz, dUz, dWn, dUn


def example(rng):
    return {
        "x": rng.normal(size=3),
        "h_prev": np.zeros(4),
        "Wz": rng.normal(size=(4, 3)),
        "Uz": rng.normal(size=(4, 4)),
        "Wn": rng.normal(size=(4, 3)),
        "Un": rng.normal(size=(4, 4)),
    }
