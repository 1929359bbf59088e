import numpy as np


def fit_batch(params, xb, yb, lr=0.1):
    """
    One pass over a batch: forward, backward, update.
    params: dict of W1 (in, h1), W2 (h1, h2), W3 (h2, out) and biases (1, size).

    Returns the loss before the update, the gradients and the updated parameters.
    """
    W1, b1, W2, b2, W3, b3 = (params[k].copy() for k in ["W1", "b1", "W2", "b2", "W3", "b3"])
    bs = xb.shape[0]

    # ---- forward ----
    s1 = xb @ W1 + b1
    h1 = np.maximum(s1, 0)
    s2 = h1 @ W2 + b2
    h2 = np.tanh(s2)
    out = h2 @ W3 + b3
    delta = out - yb
    loss = np.abs(delta).sum() / bs  # L1 loss

    # ---- backward ----
    gout = np.sign(delta) / bs
    gW3 = h2.T @ gout
    gb3 = gout.sum(axis=0, keepdims=True)
    gh2 = gout @ W3.T
    gs2 = gh2 * (1 - h2 * h2)
    gW2 = h1.T @ gs2
    gb2 = gs2.sum(axis=0, keepdims=True)
    gh1 = gs2 @ W2.T
    gs1 = gh1 * (s1 > 0)
    gW1 = xb.T @ gs1
    gb1 = gs1.sum(axis=0, keepdims=True)

    # ---- update ----
    W3 -= lr * gW3
    b3 -= lr * gb3
    W2 -= lr * gW2
    b2 -= lr * gb2
    W1 -= lr * gW1
    b1 -= lr * gb1
    new = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}
    return loss, {"W1": gW1, "b1": gb1, "W2": gW2, "b2": gb2, "W3": gW3, "b3": gb3}, new


def example(rng):
    sizes = [4, 6, 5, 2]
    params = {}
    for i in (1, 2, 3):
        params[f"W{i}"] = rng.normal(size=(sizes[i - 1], sizes[i]))
        params[f"b{i}"] = rng.normal(size=(1, sizes[i]))
    return {"params": params, "xb": rng.normal(size=(3, 4)), "yb": rng.normal(size=(3, 2))}
