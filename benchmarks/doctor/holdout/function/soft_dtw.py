import numpy as np

INF = 1e10


def soft_dtw(series, template, g=0.7):
    """Soft dynamic time warping distance and its gradients, after Cuturi and Blondel."""
    n, m = len(series), len(template)
    D = (series[:, None] - template[None, :]) ** 2
    R = np.full((n + 2, m + 2), INF)
    R[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            z = -np.array([R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]]) / g
            top = z.max()
            R[i, j] = D[i - 1, j - 1] - g * (np.log(np.exp(z - top).sum()) + top)

    # E[i, j] = d R[n, m] / d R[i, j]
    E = np.zeros((n + 2, m + 2))
    E[n, m] = 1.0
    for j in range(m, 0, -1):
        for i in range(n, 0, -1):
            if (i, j) == (n, m):
                continue
            total = 0.0
            for a, b in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                if a <= n and b <= m:
                    total += E[a, b] * np.exp((R[a, b] - R[i, j] - D[a - 1, b - 1]) / g)
            E[i, j] = total
    gD = E[1 : n + 1, 1 : m + 1]
    gap = 2 * (series[:, None] - template[None, :])
    g_series = (gD * gap).sum(axis=1)
    g_template = -(gD * gap).sum(axis=0)
    return R[n, m], g_series, g_template


def example(rng):
    return {"series": rng.normal(size=5), "template": rng.normal(size=4)}
