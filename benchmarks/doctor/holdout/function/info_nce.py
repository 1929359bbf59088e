import numpy as np

TAU = 0.5


def info_nce(a, b, proj):
    """In-batch contrastive loss: row i of a belongs to row i of b."""
    za, zb = a @ proj, b @ proj
    na = np.linalg.norm(za, axis=1, keepdims=True)
    nb = np.linalg.norm(zb, axis=1, keepdims=True)
    ua, ub = za / na, zb / nb
    sim = ua @ ub.T / TAU
    p = np.exp(sim - sim.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    n = a.shape[0]
    loss = -np.log(np.diagonal(p)).sum() / n

    dsim = (p - np.eye(n)) / n
    dua = dsim @ ub / TAU
    dub = dsim.T @ ua / TAU
    dza = (dua - ua * (ua * dua).sum(axis=1, keepdims=True)) / na
    dzb = (dub - ub * (ub * dub).sum(axis=1, keepdims=True)) / nb
    dproj = a.T @ dza + b.T @ dzb
    return loss, dproj


def example(rng):
    return {
        "a": rng.standard_normal((5, 4)),
        "b": rng.standard_normal((5, 4)),
        "proj": rng.standard_normal((4, 3)),
    }
