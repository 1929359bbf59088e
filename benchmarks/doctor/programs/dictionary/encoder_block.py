"""
One block of a transformer encoder, pre-norm:

    x = x + attention(norm(x))
    x = x + mlp(norm(x))

followed by a mean over time, a linear read-out and the cross entropy. Everything that can be
learned is in the dictionary `params`; gradients come back in a dictionary with the same keys.
"""

import numpy as np


def init_params(rng, d_model, d_head, d_ff, n_classes):
    def draw(*shape):
        return rng.normal(size=shape) / np.sqrt(shape[0])

    return {
        "ln1_g": 1 + 0.2 * rng.normal(size=d_model),
        "ln1_b": 0.2 * rng.normal(size=d_model),
        "wq": draw(d_model, d_head),
        "wk": draw(d_model, d_head),
        "wv": draw(d_model, d_head),
        "wo": draw(d_head, d_model),
        "ln2_g": 1 + 0.2 * rng.normal(size=d_model),
        "ln2_b": 0.2 * rng.normal(size=d_model),
        "w1": draw(d_model, d_ff),
        "b1": 0.1 * rng.normal(size=d_ff),
        "w2": draw(d_ff, d_model),
        "b2": 0.1 * rng.normal(size=d_model),
        "head": draw(d_model, n_classes),
    }


def norm(x, gain, shift):
    mean = x.mean(axis=-1, keepdims=True)
    rstd = 1.0 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
    unit = (x - mean) * rstd
    return gain * unit + shift, (unit, rstd, gain)


def norm_back(dy, cache):
    unit, rstd, gain = cache
    dunit = dy * gain
    centred = dunit - dunit.mean(axis=-1, keepdims=True)
    dx = rstd * (centred - unit * (dunit * unit).mean(axis=-1, keepdims=True))
    return dx, (dy * unit).sum(axis=(0, 1)), dy.sum(axis=(0, 1))


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attend(x, params):
    q, k, v = x @ params["wq"], x @ params["wk"], x @ params["wv"]
    weights = softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]))
    mixed = weights @ v
    return mixed @ params["wo"], (x, q, k, v, weights, mixed)


def attend_back(dy, params, cache, grads):
    x, q, k, v, weights, mixed = cache
    root = np.sqrt(q.shape[-1])
    grads["wo"] = np.einsum("bth,btd->hd", mixed, dy)
    dmixed = dy @ params["wo"].T
    dweights = dmixed @ v.swapaxes(1, 2)
    dv = weights.swapaxes(1, 2) @ dmixed
    dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True))
    dq = dscores @ k / root
    dk = dscores.swapaxes(1, 2) @ q / root
    dx = np.zeros_like(x)
    for key, dproj in (("wq", dq), ("wk", dk), ("wv", dv)):
        grads[key] = np.einsum("btd,bth->dh", x, dproj)
        dx += dproj @ params[key].T
    return dx


def mlp(x, params):
    pre = x @ params["w1"] + params["b1"]
    gate = 1 / (1 + np.exp(-pre))
    act = pre * gate                      # silu
    return act @ params["w2"] + params["b2"], (x, pre, gate, act)


def mlp_back(dy, params, cache, grads):
    x, pre, gate, act = cache
    grads["w2"] = np.einsum("btf,btd->fd", act, dy)
    grads["b2"] = dy.sum(axis=(0, 1))
    dact = dy @ params["w2"].T
    dpre = dact * (gate + pre * gate * (1 - gate))
    grads["w1"] = np.einsum("btd,btf->df", x, dpre)
    grads["b1"] = dpre.sum(axis=(0, 1))
    return dpre @ params["w1"].T


def forward(params, x, labels):
    n1, c_n1 = norm(x, params["ln1_g"], params["ln1_b"])
    att, c_att = attend(n1, params)
    x1 = x + att
    n2, c_n2 = norm(x1, params["ln2_g"], params["ln2_b"])
    ff, c_ff = mlp(n2, params)
    x2 = x1 + ff
    pooled = x2.mean(axis=1)
    probs = softmax(pooled @ params["head"])
    loss = -np.log(probs[np.arange(len(labels)), labels]).mean()
    return loss, (x.shape, labels, c_n1, c_att, c_n2, c_ff, pooled, probs)


def backward(params, cache):
    (batch, time, d_model), labels, c_n1, c_att, c_n2, c_ff, pooled, probs = cache
    grads = {}

    dlogits = probs.copy()
    dlogits[np.arange(batch), labels] -= 1
    dlogits /= batch
    grads["head"] = pooled.T @ dlogits
    dpooled = dlogits @ params["head"].T
    dx2 = np.broadcast_to(dpooled[:, None, :] / time, (batch, time, d_model))

    dn2 = mlp_back(dx2, params, c_ff, grads)
    dx1, grads["ln2_g"], grads["ln2_b"] = norm_back(dn2, c_n2)
    dx1 = dx1 + dx2

    dn1 = attend_back(dx1, params, c_att, grads)
    dx, grads["ln1_g"], grads["ln1_b"] = norm_back(dn1, c_n1)
    dx = dx + dx1
    return dx, grads


def example(rng):
    return {
        "params": init_params(rng, d_model=4, d_head=3, d_ff=5, n_classes=3),
        "x": rng.normal(size=(2, 3, 4)),
        "labels": np.array([2, 0]),
    }
