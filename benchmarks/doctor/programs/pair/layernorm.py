import numpy as np


def layernorm_fwd(x, g, b):
    # x (B, T, C), normalised over C
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    rstd = (v + 1e-5) ** -0.5
    norm = (x - m) * rstd
    return norm * g + b, (norm, rstd, g)


def layernorm_bwd(dy, cache):
    norm, rstd, g = cache
    db = dy.sum((0, 1))
    dg = (dy * norm).sum((0, 1))
    dnorm = dy * g
    dx = dnorm - dnorm.mean(-1, keepdims=True)
    dx -= norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, dg, db


def example(rng):
    return {"x": rng.normal(size=(2, 3, 5)), "g": rng.normal(size=5), "b": rng.normal(size=5)}
