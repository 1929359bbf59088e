import numpy as np


def reconstruct(x, W, enc_b, dec_b):
    """Autoencoder whose decoder uses the encoder's matrices, transposed, in reverse order."""
    code = [x]
    for w, b in zip(W, enc_b):
        code.append(np.tanh(code[-1] @ w + b))
    out = [code[-1]]
    for i in reversed(range(len(W))):
        out.append(np.tanh(out[-1] @ W[i].T + dec_b[i]))
    loss = np.mean(np.sum((out[-1] - x) ** 2, axis=1))
    return loss, (code, out)


def reconstruct_grad(x, W, memory):
    code, out = memory
    L = len(W)
    gW = [np.zeros_like(w) for w in W]
    g_enc, g_dec = [None] * L, [None] * L
    d = 2 * (out[-1] - x) / len(x)
    for i in range(L):
        d = d * (1 - out[L - i] ** 2)
        gW[i] += d.T @ out[L - i - 1]
        g_dec[i] = d.sum(axis=0)
        d = d @ W[i]
    for i in range(L - 1, -1, -1):
        d = d * (1 - code[i + 1] ** 2)
        gW[i] += code[i].T @ d
        g_enc[i] = d.sum(axis=0)
        d = d @ W[i].T
    return gW, g_enc, g_dec


def example(rng):
    dims = [5, 4, 3]
    W = [0.7 * rng.normal(size=(a, b)) for a, b in zip(dims, dims[1:])]
    return {
        "x": rng.uniform(-0.9, 0.9, (6, 5)),
        "W": W,
        "enc_b": [rng.normal(size=w.shape[1]) for w in W],
        "dec_b": [rng.normal(size=w.shape[0]) for w in W],
    }
