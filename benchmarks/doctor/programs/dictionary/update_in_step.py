import numpy as np

# one training step on a small regression network; returns the gradients that were used


def predict(net, x):
    a = 1.0 / (1.0 + np.exp(-(x.dot(net["w_in"]) + net["b_in"])))
    return a, a.dot(net["w_out"]) + net["b_out"]


def loss_fn(net, x, target):
    a, out = predict(net, x)
    return 0.5 * np.sum((out - target) ** 2) / len(x), dict(x=x, target=target, a=a, out=out)


def train_step(net, cache, lr=0.1):
    x, a = cache["x"], cache["a"]
    err = (cache["out"] - cache["target"]) / len(x)
    g_w_out = a.T.dot(err)
    g_b_out = err.sum(axis=0)

    hidden_err = err.dot(net["w_out"].T) * a * (1.0 - a)
    g_w_in = x.T.dot(hidden_err)
    g_b_in = hidden_err.sum(axis=0)

    net["w_out"] -= lr * g_w_out
    net["b_out"] -= lr * g_b_out
    net["w_in"] -= lr * g_w_in
    net["b_in"] -= lr * g_b_in
    return {"w_in": g_w_in, "b_in": g_b_in, "w_out": g_w_out, "b_out": g_b_out}


def example(rng):
    net = {
        "w_in": rng.normal(size=(3, 5)),
        "b_in": rng.normal(size=5),
        "w_out": rng.normal(size=(5, 2)),
        "b_out": rng.normal(size=2),
    }
    return {"net": net, "x": rng.normal(size=(7, 3)), "target": rng.normal(size=(7, 2))}
