import numpy as np


def leaky(z, slope=0.1):
    return np.where(z > 0, z, slope * z)


def d_leaky(z, slope=0.1):
    return np.where(z > 0, 1.0, slope)


def evaluate(layers, X, labels):
    """layers: list of dicts with "weight" (out, in) and "bias" (out,); rows of X are examples."""
    record = [{"out": X}]
    for i, layer in enumerate(layers):
        net = record[-1]["out"] @ layer["weight"].T + layer["bias"]
        last = i == len(layers) - 1
        record.append({"net": net, "out": net if last else leaky(net)})
    scores = record[-1]["out"]
    margins = scores - scores[np.arange(len(labels)), labels][:, None] + 1.0
    margins[np.arange(len(labels)), labels] = 0
    hinge = np.maximum(margins, 0)
    return hinge.sum() / len(labels), record, hinge


def differentiate(layers, record, hinge, labels):
    n = len(labels)
    err = (hinge > 0).astype(float)
    err[np.arange(n), labels] = -err.sum(axis=1)
    err /= n
    result = []
    for i in range(len(layers) - 1, -1, -1):
        result.insert(0, {"weight": err.T @ record[i]["out"], "bias": err.sum(axis=0)})
        if i > 0:
            err = (err @ layers[i]["weight"]) * d_leaky(record[i]["net"])
    return result


def example(rng):
    dims = [3, 6, 5, 4]
    layers = [
        {"weight": rng.normal(size=(o, i)), "bias": rng.normal(size=o)}
        for i, o in zip(dims, dims[1:])
    ]
    return {"layers": layers, "X": rng.normal(size=(8, 3)), "labels": rng.integers(0, 4, 8)}
