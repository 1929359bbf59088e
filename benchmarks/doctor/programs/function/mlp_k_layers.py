import numpy as np


def fully_connected_net(params, X, y, num_layers, keep_prob=1.0, masks=None, l2=0.0):
    """Any number of layers: affine - leaky relu - dropout, ..., affine - softmax.

    masks is a list of 0/1 arrays, one for every hidden layer (inverted dropout).
    """
    slope = 0.2
    N = X.shape[0]
    h = X
    cache = {}
    for i in range(1, num_layers + 1):
        W, b = params["W%d" % i], params["b%d" % i]
        z = h.dot(W) + b
        cache[i] = (h, z)
        if i < num_layers:
            h = np.maximum(z, slope * z)
            if masks is not None:
                h = h * masks[i - 1] / keep_prob
    z = z - z.max(axis=1, keepdims=True)
    logprob = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    loss = -logprob[range(N), y].mean()
    for i in range(1, num_layers + 1):
        loss += 0.5 * l2 * np.sum(params["W%d" % i] ** 2)

    grads = {}
    dout = np.exp(logprob)
    dout[range(N), y] -= 1
    dout /= N
    for i in range(num_layers, 0, -1):
        h, z = cache[i]
        if i < num_layers:
            if masks is not None:
                dout = dout * masks[i - 1] / keep_prob
            dout = dout * np.where(z > 0, 1, slope)
        grads["W%d" % i] = h.T.dot(dout) + l2 * params["W%d" % i]
        grads["b%d" % i] = np.sum(dout, axis=0)
        dout = dout.dot(params["W%d" % i].T)
    return loss, grads


def example(rng):
    dims = [6, 5, 4, 3]
    params = {}
    for i in range(1, 4):
        params["W%d" % i] = rng.normal(size=(dims[i - 1], dims[i]))
        params["b%d" % i] = rng.normal(size=dims[i])
    N = 7
    return {"params": params, "X": rng.normal(size=(N, 6)), "y": rng.integers(0, 3, N),
            "num_layers": 3, "keep_prob": 0.8,
            "masks": [(rng.random((N, d)) < 0.8).astype(float) for d in dims[1:3]], "l2": 0.01}
