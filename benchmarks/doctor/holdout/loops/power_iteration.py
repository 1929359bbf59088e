import numpy as np

# leading eigenvalue by a few normalised multiplications, differentiated through the iteration


def rayleigh(M, v0, iters=4):
    v, tape = v0, []
    for _ in range(iters):
        u = M @ v
        length = np.sqrt(u @ u)
        tape.append((v, u, length))
        v = u / length
    value = v @ (M @ v)
    return value, (tape, v)


def rayleigh_grad(M, saved):
    tape, v = saved
    gM = np.outer(v, v)
    gv = M @ v + M.T @ v
    for v_in, u, length in tape[::-1]:
        w = u / length
        gu = (gv - w * (w @ gv)) / length
        gM += np.outer(gu, v_in)
        gv = M.T @ gu
    return gM, gv


def example(rng):
    return dict(M=rng.normal(size=(4, 4)), v0=rng.normal(size=4))
