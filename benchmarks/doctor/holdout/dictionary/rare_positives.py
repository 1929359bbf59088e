import numpy as np

# Few positives, so they weigh more.  One column of X per patient.
pos_weight = 4.0


def swish(Z):
    return Z / (1 + np.exp(-Z))


def swish_slope(Z):
    s = 1 / (1 + np.exp(-Z))
    return s + Z * s * (1 - s)


def model_forward(X, params):
    caches = {"A0": X}
    for l in ("1", "2"):
        prev = str(int(l) - 1)
        caches["Z" + l] = params["W" + l] @ caches["A" + prev] + params["b" + l]
        caches["A" + l] = swish(caches["Z" + l])
    caches["Z3"] = params["W3"] @ caches["A2"] + params["b3"]
    AL = 1 / (1 + np.exp(-caches["Z3"]))
    return AL, caches


def compute_cost(AL, Y):
    return -np.mean(pos_weight * Y * np.log(AL) + (1 - Y) * np.log(1 - AL))


def model_backward(AL, Y, caches, params):
    m = Y.shape[1]
    grads = {}
    dAL = (1 - Y) / (1 - AL) - pos_weight * Y / AL
    dZ = dAL * AL * (1 - AL)
    for l in (3, 2, 1):
        grads["W%d" % l] = dZ @ caches["A%d" % (l - 1)].T / m
        grads["b%d" % l] = dZ.mean(axis=1, keepdims=True)
        if l > 1:
            dZ = (params["W%d" % l].T @ dZ) * swish_slope(caches["Z%d" % (l - 1)])
    return grads


def example(rng):
    n = [4, 5, 3, 1]
    params = {}
    for l in (1, 2, 3):
        params[f"W{l}"] = 0.6 * rng.normal(size=(n[l], n[l - 1]))
        params[f"b{l}"] = rng.normal(size=(n[l], 1))
    return {"X": rng.normal(size=(4, 8)), "Y": (rng.random((1, 8)) < 0.3) * 1, "params": params}
