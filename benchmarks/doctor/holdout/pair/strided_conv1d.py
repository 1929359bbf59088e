# 1-D convolution of detector traces.  n: traces, c: channels, t: samples, f: filters
import numpy as np


def conv(x, k, b, s=2, p=1):
    n, c, t = x.shape
    f, _, w = k.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p)))
    T = (t + 2 * p - w) // s + 1
    y = np.empty((n, f, T))
    for j in range(T):
        seg = xp[:, :, j * s : j * s + w]
        y[:, :, j] = np.tensordot(seg, k, axes=([1, 2], [1, 2])) + b
    return y, (xp, k, s, p)


def conv_grad(gy, mem):
    xp, k, s, p = mem
    w = k.shape[2]
    gx = np.zeros_like(xp)
    gk = np.zeros_like(k)
    for j in range(gy.shape[2]):
        seg = xp[:, :, j * s : j * s + w]
        gk += np.einsum("nf,ncw->fcw", gy[:, :, j], seg)
        gx[:, :, j * s : j * s + w] += np.einsum("nf,fcw->ncw", gy[:, :, j], k)
    gb = gy.sum(axis=(0, 2))
    return gx[:, :, p:-p], gk, gb


def example(rng):
    return dict(x=rng.normal(size=(3, 2, 9)), k=rng.normal(size=(4, 2, 3)), b=rng.normal(size=4))
