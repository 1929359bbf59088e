import numpy as np


def conv1d(signal, kernel):
    # cross-correlation, "valid", one channel
    T, K = len(signal), len(kernel)
    out = np.zeros(T - K + 1)
    for t in range(T - K + 1):
        out[t] = np.dot(signal[t:t + K], kernel)
    return out, (signal, kernel)


def conv1d_back(dout, cache):
    signal, kernel = cache
    K = kernel.shape[0]
    dkernel = np.correlate(signal, dout, mode="valid")
    padded = np.pad(dout, K - 1)
    flipped = kernel[::-1]
    dsignal = np.zeros_like(signal)
    for t in range(len(signal)):
        dsignal[t] = np.dot(padded[t:t + K], flipped)
    return dsignal, dkernel


def example(rng):
    return {"signal": rng.normal(size=9), "kernel": rng.normal(size=4)}
