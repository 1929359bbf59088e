import numpy as np

TAU = 3.0


def f(v):
    return np.log(1 + np.exp(v))


def df(v):
    return 1 / (1 + np.exp(-v))


def rollout(v0, J, inp, readout, want):
    """Leaky units, v[t+1] = v[t] + (-v[t] + J f(v[t]) + inp[t]) / TAU; every readout is scored."""
    v = [v0]
    cost = 0.0
    t = 0
    while t < len(inp):
        v.append(v[t] + (-v[t] + np.dot(J, f(v[t])) + inp[t]) / TAU)
        cost += 0.5 * (np.dot(readout, f(v[t + 1])) - want[t]) ** 2
        t += 1
    return cost, v


def rollout_grad(v, J, inp, readout, want):
    g_J = np.zeros(J.shape)
    g_readout = np.zeros(readout.shape)
    g_inp = np.zeros(inp.shape)
    p = np.zeros(v[0].shape)  # dcost/dv[t+1], from the steps after it
    t = len(inp) - 1
    while t >= 0:
        miss = np.dot(readout, f(v[t + 1])) - want[t]
        g_readout += miss * f(v[t + 1])
        p = p + miss * readout * df(v[t + 1])
        g_J += np.outer(p, f(v[t])) / TAU
        g_inp[t] = p / TAU
        p = p * (1 - 1 / TAU) + np.dot(J.T, p) * df(v[t]) / TAU
        t -= 1
    return g_J, g_readout, g_inp, p


def example(rng):
    n, T = 4, 5
    return {"v0": rng.normal(size=n), "J": rng.normal(size=(n, n)), "inp": rng.normal(size=(T, n)),
            "readout": rng.normal(size=n), "want": rng.normal(size=T)}
