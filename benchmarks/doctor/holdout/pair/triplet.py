import numpy as np

MARGIN = 1.5


def embed(X, W, b):
    return np.maximum(0, X @ W + b)


def triplet_loss(anchor, positive, negative, W, b):
    fa, fp, fn = embed(anchor, W, b), embed(positive, W, b), embed(negative, W, b)
    d_ap = np.sum((fa - fp) ** 2, axis=1)
    d_an = np.sum((fa - fn) ** 2, axis=1)
    hinge = np.maximum(0.0, d_ap - d_an + MARGIN)
    ctx = (anchor, positive, negative, fa, fp, fn, hinge, W)
    return hinge.mean(), ctx


def triplet_grad(ctx):
    anchor, positive, negative, fa, fp, fn, hinge, W = ctx
    B = anchor.shape[0]
    active = (hinge > 0).astype(float)[:, None] / B
    gfa = 2 * (fn - fp) * active
    gfp = -2 * (fa - fp) * active
    gfn = 2 * (fa - fn) * active
    gW = np.zeros_like(W)
    gb = np.zeros(W.shape[1])
    for x, f, gf in ((anchor, fa, gfa), (positive, fp, gfp), (negative, fn, gfn)):
        gz = gf * (f > 0)
        gW += x.T @ gz
        gb += gz.sum(axis=0)
    return gW, gb


def example(rng):
    shape = (12, 4)
    return {
        "anchor": rng.normal(size=shape),
        "positive": rng.normal(size=shape),
        "negative": rng.normal(size=shape),
        "W": rng.normal(size=(4, 3)),
        "b": rng.normal(size=3),
    }
