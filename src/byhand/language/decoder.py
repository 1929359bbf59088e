"""The forward pass of the families that byhand knows, for one sequence, with a cache.

    x ← E[ids]
    x ← x + W_o attention(norm(x))          in every block, with rotary embeddings
    x ← x + W_down (act(W_gate n) ⊙ W_up n),  n = norm(x)
    logits = W_head norm(x)

transformers computes the same (the tests hold one against the other) for a batch, a mask and every
option; a token costs it some hundred calls more than the mathematics needs.

Source      Touvron et al., LLaMA, arXiv:2302.13971; Qwen3, arXiv:2505.09388 (norms of Q and K);
            Gemma 3, arXiv:2503.19786 (norms after a part, windows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, rms_norm, silu

from byhand.checkpoints.families import FAMILIES
from byhand.errors import InputError
from byhand.language import rotary
from byhand.language.attention import LayerCache
from byhand.language.kernels import Matrix
from byhand.language.memory import PIECE

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": silu,
    "gelu": gelu,
    "gelu_pytorch_tanh": partial(gelu, approximate="tanh"),
}
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass
class Block:
    """The parts of a block. `qkv` and `gate_up` are several matrices below each other."""

    norm_in: Tensor
    qkv: Matrix
    q_norm: Tensor | None
    k_norm: Tensor | None
    o: Matrix
    norm_o: Tensor | None
    norm_mlp: Tensor
    gate_up: Matrix
    down: Matrix
    norm_down: Tensor | None
    window: int | None
    turns: tuple[Tensor, Tensor]


@dataclass
class Parts:
    """All matrices and norms; `embedding` and `head` are one where they are tied."""

    embedding: Matrix
    blocks: list[Block]
    norm: Tensor
    head: Matrix


class Cache:
    """What a sequence has left behind in every layer: `ids` are its tokens, at most `context`."""

    def __init__(self, decoder: Decoder, context: int) -> None:
        config = decoder.config
        shape = (config["num_key_value_heads"], config["head_dim"], context)
        self.layers = [LayerCache(*shape, b.window, b.norm_in) for b in decoder.blocks]
        self.ids: list[int] = []

    def keep(self, count: int) -> None:
        """Forget all but the first tokens; where a window has forgotten some of these, all."""
        if count < len(self.ids):
            lost = any(layer.size < len(self.ids) for layer in self.layers)
            self.ids = [] if lost else self.ids[:count]


class Decoder:
    """A model that gives the logits of what may come next."""

    def __init__(self, config: dict[str, Any], parts: Parts) -> None:
        self.config = config
        gemma = bool(FAMILIES[config["model_type"]].norm_offset)
        self.eps = float(config["rms_norm_eps"])
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.width = config["head_dim"]
        self.scale = float(config["query_pre_attn_scalar"] if gemma else self.width) ** -0.5
        name = config.get("hidden_activation" if gemma else "hidden_act", "silu")
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise InputError(
                f"the activation {name!r:.40} is not one that byhand computes; there is "
                f"{', '.join(ACTIVATIONS)}"
            )
        self.act = ACTIVATIONS[name]
        self.head = parts.head
        self.embedding = parts.embedding
        self.norm = parts.norm
        hidden = config["hidden_size"]
        self.multiplier = torch.tensor(hidden**0.5, dtype=self.norm.dtype) if gemma else None
        self.blocks = parts.blocks

    @torch.inference_mode()
    def logits(self, ids: list[int], cache: Cache, every: bool = False) -> Tensor:
        """Scores of what may follow the last token, or each one; the cache keeps them all.

        Shapes      [vocabulary] or [tokens, vocabulary], float32
        """
        found = []
        for first in range(0, len(ids), PIECE):
            x = self._hidden(ids[first : first + PIECE], cache)
            if every or first + PIECE >= len(ids):
                found.append(self.scores(x if every else x[-1:]))
        return torch.cat(found) if every else found[0][0]

    def _hidden(self, ids: list[int], cache: Cache) -> Tensor:
        past = len(cache.ids)
        x = self.embed(ids)
        for block, layer in zip(self.blocks, cache.layers, strict=True):
            attend = partial(layer.attend, past=past, scale=self.scale)
            x = self.block(x, block, slice(past, past + len(ids)), attend)
        cache.ids += ids
        return x

    def embed(self, ids: list[int]) -> Tensor:
        """Shapes      [tokens, hidden]"""
        x = self.embedding.rows(torch.tensor(ids, device=self.norm.device))
        return x if self.multiplier is None else x * self.multiplier

    def scores(self, x: Tensor) -> Tensor:
        """The logits of the last block's outputs.

        Shapes      x[tokens, hidden] -> [tokens, vocabulary], float32
        """
        return self.head(rms_norm(x, x.shape[1:], self.norm, self.eps)).float()

    def block(self, x: Tensor, block: Block, positions: slice | Tensor, attend: Attend) -> Tensor:
        """One block, for rows that are at these positions of a sequence, or of several.

        attend      what each row reads, from q, k and v

        Shapes      x[tokens, hidden] -> the same
        """
        norm, shape = partial(rms_norm, eps=self.eps), x.shape[1:]
        time, heads, shared, width = len(x), self.heads, self.kv_heads, self.width
        qkv = block.qkv(norm(x, shape, block.norm_in)).view(time, heads + 2 * shared, width)
        qk, v = qkv[:, : heads + shared], qkv[:, heads + shared :]
        if block.q_norm is not None and block.k_norm is not None:
            q, k = qk[:, :heads], qk[:, heads:]
            q, k = norm(q, (width,), block.q_norm), norm(k, (width,), block.k_norm)
            qk = torch.cat((q, k), 1)
        cosines, sines = (t[positions] for t in block.turns)
        qk = rotary.turn(qk, cosines, sines)
        o = block.o(attend(qk[:, :heads], qk[:, heads:], v))
        x = x + (o if block.norm_o is None else norm(o, shape, block.norm_o))
        gate, up = block.gate_up(norm(x, shape, block.norm_mlp)).chunk(2, 1)
        down = block.down(self.act(gate) * up)
        return x + (down if block.norm_down is None else norm(down, shape, block.norm_down))
