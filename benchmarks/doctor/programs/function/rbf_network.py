"""Radial basis functions with trained centres and widths."""
import numpy as np


def rbf_loss(x, t, centers, log_width, weights):
    diff = x[:, None, :] - centers[None, :, :]
    sq = (diff ** 2).sum(-1)
    width = np.exp(log_width)
    phi = np.exp(-sq / (2 * width ** 2))
    pred = phi @ weights
    err = pred - t
    loss = 0.5 * np.mean(err ** 2)

    derr = err / len(x)
    dweights = phi.T @ derr
    dphi = derr[:, None] * weights[None, :]
    dsq = -dphi * phi / (2 * width ** 2)
    dwidth = (dphi * phi * sq / width ** 3).sum(0)
    dlog_width = dwidth * width
    ddiff = 2 * dsq[:, :, None] * diff
    dcenters = -ddiff.sum(axis=0)
    dx = ddiff.sum(axis=1)
    return loss, {"centers": dcenters, "log_width": dlog_width, "weights": dweights, "x": dx}


def example(rng):
    return {"x": rng.normal(size=(6, 2)), "t": rng.normal(size=6), "centers": rng.normal(size=(4, 2)),
            "log_width": rng.normal(size=4) * 0.3, "weights": rng.normal(size=4)}
