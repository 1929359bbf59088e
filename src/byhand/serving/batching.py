"""Several sequences through a decoder at once.

In decoding, a step reads every weight for each token that it makes: nearly all of its time. One
step for the next token of every sequence reads them once. Each sequence has a slot, in which its
keys and values are; attention is the only part in which the sequences differ. A sequence that
begins as another one did, such as with the same system prompt or as the same talk one answer
later, takes over what is kept of that.

Source      Yu et al., Orca: a distributed serving system for Transformer-based generative models
            (2022), for batches that sequences join and leave at every step; Zheng et al., SGLang:
            efficient execution of structured language model programs, arXiv:2312.07104, for
            beginnings that are shared.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from byhand.language.attention import LayerCache
from byhand.language.decoder import Decoder

LEAST = 8
"""Fewer tokens are read again sooner than they are looked for and copied."""


class Slots:
    """Caches of several sequences, for one decoder.

    count       sequences at once
    context     tokens of each
    """

    def __init__(self, decoder: Decoder, count: int, context: int) -> None:
        self.decoder, self.count, self.context = decoder, count, context
        config = decoder.config
        shape = count, config["num_key_value_heads"], config["head_dim"], context
        self.layers = [_SlotLayer(*shape, b.window, b.norm_in) for b in decoder.blocks]
        self.smallest = min(layer.size for layer in self.layers)
        self.kept: list[list[int]] = [[] for _ in range(count)]

    def begin(self, slot: int, ids: list[int]) -> int:
        """Give the slot to a sequence with this prompt; how many of its first tokens are known from
        one of the slots, and are in this one now. The last token never is: what follows it is asked
        for.
        """
        shared = [self._shared(kept, ids) for kept in self.kept]
        source = max(range(self.count), key=shared.__getitem__)
        known = shared[source]
        if known < LEAST:
            known = 0
        elif source != slot:
            for layer in self.layers:
                layer.keys[slot, :, :known] = layer.keys[source, :, :known]
                layer.values[slot, :, :known] = layer.values[source, :, :known]
        self.kept[slot] = ids[:known]
        return known

    def forget(self, slot: int) -> None:
        """What the slot holds, such as after a step that failed."""
        self.kept[slot] = []

    def _shared(self, kept: list[int], ids: list[int]) -> int:
        # `step` writes at the position after the last: once a layer is full, over an older one.
        if len(kept) >= self.smallest:
            return 0
        most = min(len(kept), len(ids) - 1)
        return next((k for k in range(most) if kept[k] != ids[k]), most)

    @torch.inference_mode()
    def step(self, new: dict[int, list[int]]) -> dict[int, Tensor]:
        """The next tokens of these slots, and what may follow the last one of each.

        new         by slot, one token of an answer or several of a prompt

        Shapes      logits of each slot, [vocabulary]
        """
        single = {slot: ids[0] for slot, ids in new.items() if len(ids) == 1}
        many = {slot: ids for slot, ids in new.items() if len(ids) > 1}
        # All slots up to the last one go along, so that the caches are read where they are. In one
        # that takes no part the position after its last is written, and written again later.
        rows = max(single, default=-1) + 1
        ids = [single.get(slot, 0) for slot in range(rows)]
        at = [min(len(kept), self.context - 1) for kept in self.kept[:rows]]
        last = {slot: slot for slot in single}
        pieces = []
        for slot, piece in many.items():
            past = len(self.kept[slot])
            pieces.append((slot, slice(len(ids), len(ids) + len(piece)), past))
            ids += piece
            at += range(past, past + len(piece))
            last[slot] = len(ids) - 1
        x = self.decoder.embed(ids)
        positions = torch.tensor(at, device=x.device)
        for block, layer in zip(self.decoder.blocks, self.layers, strict=True):
            attend = partial(
                layer.attend,
                positions=positions[:rows],
                pieces=pieces,
                scale=self.decoder.scale,
            )
            x = self.decoder.block(x, block, positions, attend)
        scores = self.decoder.scores(x[[last[slot] for slot in new]])
        for slot, taken in new.items():
            self.kept[slot] += taken
        return dict(zip(new, scores, strict=True))


class _SlotLayer:
    """Keys and values of one layer of all slots; in each, position p is at p mod size.

    Shapes      keys, values[slots, kv_heads, size, head_dim]
    """

    def __init__(
        self, slots: int, kv_heads: int, head_dim: int, size: int, window: int | None, like: Tensor
    ) -> None:
        self.each = [LayerCache(kv_heads, head_dim, 0, None, like) for _ in range(slots)]
        self.size = size if window is None else min(size, window)
        # Zeros, because a mask does not undo a number that is none.
        self.keys = like.new_zeros(slots, kv_heads, self.size, head_dim)
        self.values = like.new_zeros(slots, kv_heads, self.size, head_dim)
        for slot, layer in enumerate(self.each):
            layer.window, layer.size = window, self.size
            layer.keys, layer.values = self.keys[slot], self.values[slot]

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        positions: Tensor,
        pieces: list[tuple[int, slice, int]],
        scale: float,
    ) -> Tensor:
        """What all rows read, whose keys and values are kept as well.

        positions   of the first rows, which are one token of each slot from the first on
        pieces      of prompts, that come after these: slot, rows, tokens before it

        Shapes      q[rows, heads, d], k and v[rows, kv_heads, d] -> [rows, heads · d]
        """
        rows = len(positions)
        read = [self._each(q[:rows], k[:rows], v[:rows], positions, scale)] if rows else []
        for slot, part, past in pieces:
            read.append(self.each[slot].attend(q[part], k[part], v[part], past, scale))
        return read[0] if len(read) == 1 else torch.cat(read)

    def _each(self, q: Tensor, k: Tensor, v: Tensor, positions: Tensor, scale: float) -> Tensor:
        """One position of each slot."""
        rows = len(q)
        slots = torch.arange(rows, device=q.device)
        self.keys[slots, :, positions % self.size] = k
        self.values[slots, :, positions % self.size] = v
        kept = (positions + 1).clamp(max=self.size)
        longest = int(kept.max())
        seen = torch.arange(longest, device=q.device) < kept[:, None]
        # The heads that share keys are as positions are, so that nothing is repeated.
        grouped = q.reshape(rows, k.shape[1], -1, q.shape[-1])
        read = scaled_dot_product_attention(
            grouped,
            self.keys[:rows, :, :longest],
            self.values[:rows, :, :longest],
            attn_mask=seen[:, None, None],
            scale=scale,
        )
        return read.reshape(rows, -1)
