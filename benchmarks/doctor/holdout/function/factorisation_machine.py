import numpy as np


def fm(w_zero, w, v, x, y, reg):
    """Factorisation machine, squared loss. The pair term costs O(n k) by Rendle's identity."""
    xv = x @ v
    pairs = 0.5 * np.sum(xv**2 - (x**2) @ (v**2), axis=1)
    err = w_zero + x @ w + pairs - y
    obj = np.mean(err**2) + reg * np.sum(v * v)

    e = 2.0 * err / err.size
    grad_w_zero = e.sum()
    grad_w = x.T @ e
    grad_v = x.T @ (e[:, None] * xv) - v * ((x**2).T @ e)[:, None]
    grad_v = grad_v + 2 * reg * v
    return obj, (grad_w_zero, grad_w, grad_v)


def example(rng):
    n, d, k = 6, 4, 3
    return dict(
        w_zero=0.5,
        w=rng.normal(size=d),
        v=rng.normal(size=(d, k)),
        x=rng.normal(size=(n, d)),
        y=rng.normal(size=n),
        reg=0.03,
    )
