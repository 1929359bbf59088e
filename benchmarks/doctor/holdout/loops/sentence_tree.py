import numpy as np


def compose(leaves, merges, L, R, bias, readout):
    """Recursive net.  merges: pairs of node numbers; node len(leaves) + j is made by merge j."""
    nodes = [row for row in leaves]
    for left, right in merges:
        nodes.append(np.tanh(L @ nodes[left] + R @ nodes[right] + bias))
    score = readout @ nodes[-1]
    return score, nodes


def compose_backward(leaves, merges, L, R, bias, readout, nodes):
    n = len(leaves)
    d_nodes = [np.zeros_like(bias) for _ in nodes]
    d_readout = nodes[-1].copy()
    d_nodes[-1] = d_nodes[-1] + readout
    d_L, d_R, d_bias = 0 * L, 0 * R, 0 * bias
    for j in range(len(merges) - 1, -1, -1):
        left, right = merges[j]
        d_sum = d_nodes[n + j] * (1 - nodes[n + j] ** 2)
        d_L += np.outer(d_sum, nodes[left])
        d_R += np.outer(d_sum, nodes[right])
        d_bias += d_sum
        d_nodes[left] += L.T @ d_sum
        d_nodes[right] += R.T @ d_sum
    return {
        "leaves": np.array(d_nodes[:n]),
        "L": d_L,
        "R": d_R,
        "bias": d_bias,
        "readout": d_readout,
    }


def example(rng):
    d = 3
    return {
        "leaves": rng.normal(size=(4, d)),
        "merges": [(0, 1), (2, 3), (4, 5), (6, 1)],
        "L": rng.normal(size=(d, d)),
        "R": rng.normal(size=(d, d)),
        "bias": rng.normal(size=d),
        "readout": rng.normal(size=d),
    }
