"""A network with inverted dropout between its layers; the mask is drawn by the caller."""

import numpy as np

KEEP = 0.8


def forward(net, x, y, mask):
    a = np.maximum(x @ net["w1"] + net["b1"], 0)
    d = a * mask / KEEP
    out = d @ net["w2"] + net["b2"]
    loss = np.mean((out - y) ** 2)
    return loss, {"x": x, "y": y, "mask": mask, "a": a, "d": d, "out": out}


def backward(net, c):
    g = {}
    d_out = 2 * (c["out"] - c["y"]) / c["out"].size
    g["w2"] = c["d"].T @ d_out
    g["b2"] = d_out.sum(0)
    d_d = d_out @ net["w2"].T
    d_a = d_d / KEEP
    d_z = d_a * (c["a"] > 0)
    g["w1"] = c["x"].T @ d_z
    g["b1"] = d_z.sum(0)
    return g


def example(rng):
    return {
        "net": {
            "w1": rng.normal(size=(4, 6)),
            "b1": rng.normal(size=6),
            "w2": rng.normal(size=(6, 2)),
            "b2": rng.normal(size=2),
        },
        "x": rng.normal(size=(5, 4)),
        "y": rng.normal(size=(5, 2)),
        "mask": (rng.random(size=(5, 6)) < KEEP).astype(float),
    }
