import numpy as np


def deep_linear(x, y, W, gain):
    """L layers of equal width, softsign between them, columns are examples."""
    a = [x]
    for l in range(len(W)):
        z = gain[l] * W[l].dot(a[l])
        a.append(z / (1 + np.abs(z)))
    return 0.5 * np.sum((a[-1] - y) ** 2), a


def deep_linear_gradients(y, W, gain, a):
    L, n = len(W), W[0].shape[0]
    dW = [np.zeros((n, n)) for _ in range(L)]
    dgain = np.zeros(L)
    da = a[L] - y
    for l in range(L - 1, -1, -1):
        dz = da * (1 - np.abs(a[l + 1])) ** 2  # softsign' in terms of its value
        lin = W[l].dot(a[l])
        dgain[l] += np.sum(dz * lin)
        dW[l] += gain[l] * dz.dot(a[l].T)
        da = gain[l] * W[l].T.dot(dz)
    return dW, dgain, da


def example(rng):
    n, L = 4, 3
    # as many examples as units
    return dict(x=rng.normal(size=(n, n)), y=rng.normal(size=(n, n)),
                W=[rng.normal(size=(n, n)) for _ in range(L)], gain=rng.normal(size=L))
