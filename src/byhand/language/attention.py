"""Attention of one sequence to what came before, and the cache that keeps it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


class LayerCache:
    """Keys and values of one layer: of all positions, or of the last `window` ones.

    Position p is in slot p mod size: what is beyond the window is written over.

    Shapes      keys, values[kv_heads, size, head_dim]
    """

    def __init__(
        self, kv_heads: int, head_dim: int, size: int, window: int | None, like: Tensor
    ) -> None:
        self.window = window
        self.size = size if window is None else min(size, window)
        self.keys = like.new_empty(kv_heads, self.size, head_dim)
        self.values = like.new_empty(kv_heads, self.size, head_dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, past: int, scale: float) -> Tensor:
        """What the new positions read, which are kept as well.

        past        positions before the new ones

        Shapes      q[time, heads, d], k and v[time, kv_heads, d] -> [time, heads · d]
        """
        new = len(q)
        k, v = k.transpose(0, 1), v.transpose(0, 1)
        if new > 1:
            keys, values, mask = self._before(k, v, past)
            self._keep(k, v, past)
            return _many(q, keys, values, mask, scale)
        self._keep(k, v, past)
        seen = min(past + 1, self.size)
        # One position sees all that is kept, in whatever order; the heads that share keys are to it
        # as positions are, so that nothing is repeated.
        grouped = q.view(len(k), -1, q.shape[-1])
        read = scaled_dot_product_attention(
            grouped[None], self.keys[None, :, :seen], self.values[None, :, :seen], scale=scale
        )
        return read.reshape(1, -1)

    def _keep(self, k: Tensor, v: Tensor, past: int) -> None:
        new = k.shape[1]
        if past + new <= self.size:
            self.keys[:, past : past + new] = k
            self.values[:, past : past + new] = v
            return
        last = min(new, self.size)
        slots = torch.arange(past + new - last, past + new, device=k.device) % self.size
        self.keys[:, slots] = k[:, -last:]
        self.values[:, slots] = v[:, -last:]

    def _before(self, k: Tensor, v: Tensor, past: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """All keys and values that the new positions may see, and which of them each may.

        Shapes      k[kv_heads, new, d] -> [kv_heads, kept + new, d], mask[new, kept + new]
        """
        new, kept = k.shape[1], min(past, self.size)
        if not kept and (self.window is None or new <= self.window):
            return k, v, None
        keys, values = (
            torch.cat((self.keys[:, :kept], k), 1),
            torch.cat((self.values[:, :kept], v), 1),
        )
        slots = torch.arange(kept, device=k.device)
        # The latest position before `past` that is in the slot.
        held = past - 1 - (past - 1 - slots) % self.size
        query = torch.arange(past, past + new, device=k.device)
        position = torch.cat((held, query))
        distance = query[:, None] - position
        mask = distance >= 0
        if self.window is not None:
            mask &= distance < self.window
        return keys, values, mask


def _many(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Several new positions at once; without a mask each sees itself and those before it."""
    shared = q.shape[1] // len(keys)
    if shared > 1:
        keys, values = (t.repeat_interleave(shared, 0) for t in (keys, values))
    read = scaled_dot_product_attention(
        q.transpose(0, 1)[None],
        keys[None],
        values[None],
        attn_mask=mask,
        is_causal=mask is None,
        scale=scale,
    )
    return read[0].transpose(0, 1).reshape(len(q), -1)
