import numpy as np


def wn_linear(x, v, g, b):
    """y = x (g v / |v|) + b, the norm taken over each column of v"""
    norm = np.sqrt(np.square(v).sum(0))
    w = v * (g / norm)
    return x @ w + b, dict(x=x, v=v, g=g, norm=norm, w=w)


def wn_linear_bprop(delta, *, x, v, g, norm, w):
    db = delta.sum(0)
    dw = x.T @ delta
    u = v / norm
    dg = (dw * u).sum(0)
    dv = g / norm * (dw - u * dg)
    return {"x": delta @ w.T, "v": dv, "g": dg, "b": db}


def example(rng):
    return {
        "x": rng.standard_normal((5, 3)),
        "v": rng.standard_normal((3, 4)),
        "g": rng.uniform(0.5, 2.0, 4),
        "b": rng.standard_normal(4),
    }
