from __future__ import annotations

import numpy as np

try:
    from jaxtyping import Float, Int
except ImportError:  # annotations are never evaluated
    pass

Array = np.ndarray


def rating_loss(
    ids: Int[Array, "batch slots"],
    stars: Float[Array, "batch"],
    table: Float[Array, "vocab dim"],
    head: Float[Array, "dim"],
    decay: float = 0.02,
):
    bag = table[ids].sum(axis=1)
    squashed = bag / np.sqrt(1 + bag * bag)
    off = squashed @ head - stars
    loss = (off * off).mean() + decay * (table * table).sum()

    g_off = 2 * off / off.size
    g_head = squashed.T @ g_off
    g_squashed = g_off[:, None] * head[None, :]
    g_bag = g_squashed * (1 + bag * bag) ** -1.5
    g_table = 2 * decay * table
    for slot in range(ids.shape[1]):
        np.add.at(g_table, ids[:, slot], g_bag)
    return loss, {"head": g_head, "table": g_table}
