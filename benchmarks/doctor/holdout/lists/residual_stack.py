import numpy as np


def stack(h, mats, alphas):
    """h <- h + alpha_l relu(h M_l), one square matrix and one number per layer."""
    hs, rs = [h], []
    for M, alpha in zip(mats, alphas):
        r = np.maximum(hs[-1] @ M, 0.0)
        rs.append(r)
        hs.append(hs[-1] + alpha * r)
    return hs[-1], (hs, rs)


def stack_vjp(dh, tape, mats, alphas):
    hs, rs = tape
    d_mats = [np.zeros_like(M) for M in mats]
    d_alphas = np.zeros_like(alphas)
    for l in reversed(range(len(mats))):
        d_alphas[l] = np.sum(dh * rs[l])
        dr = alphas[l] * dh * (rs[l] > 0)
        d_mats[l] = hs[l].T @ dr
        dh = dh + dr @ mats[l].T
    return dh, d_mats, d_alphas


def example(rng):
    h = rng.normal(size=(4, 3))
    mats = [A + A.T for A in rng.normal(size=(3, 3, 3))]   # couplings are symmetric
    return {"h": h, "mats": mats, "alphas": rng.normal(size=3)}
