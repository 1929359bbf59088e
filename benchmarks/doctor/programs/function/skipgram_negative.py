import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def neg_sampling_loss_and_gradient(center_vec, outside_vectors, outside_idx, neg_indices):
    """Skip-gram with negative sampling, for one centre word and one outside word.

    A word may be drawn more than once as a negative sample.

    center_vec        (D,)
    outside_vectors   (V, D)
    """
    neg_vecs = outside_vectors[neg_indices]
    u_o = outside_vectors[outside_idx]

    pos = sigmoid(u_o @ center_vec)
    neg = sigmoid(-(neg_vecs @ center_vec))
    loss = -np.log(pos) - np.sum(np.log(neg))

    grad_outside_vecs = np.zeros_like(outside_vectors)
    grad_center_vec = (pos - 1) * u_o + (1 - neg) @ neg_vecs
    grad_outside_vecs[outside_idx] += (pos - 1) * center_vec
    np.add.at(grad_outside_vecs, neg_indices, np.outer(1 - neg, center_vec))
    return loss, grad_center_vec, grad_outside_vecs


def example(rng):
    return {
        "center_vec": rng.normal(size=4),
        "outside_vectors": rng.normal(size=(9, 4)),
        "outside_idx": 2,
        "neg_indices": np.array([5, 1, 5, 7, 8, 5]),
    }
