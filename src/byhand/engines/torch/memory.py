"""Layers that look at what an encoder says, in PyTorch.

They are told which steps of x are real, and have the memory: its vectors and which of them are
real, each of these masks None where all are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from byhand import layers
from byhand.engines.torch.attention import join_heads, split_heads
from byhand.layers import Layer


class Memory(NamedTuple):
    """As layers/memory.py has it."""

    m: Tensor
    real: Tensor | None


def _cross_attention(x: Tensor, m: Any, memory: Memory) -> Tensor:
    group = m.heads // m.kv_heads
    k, v = split_heads(memory.m @ m.Wk, m.kv_heads), split_heads(memory.m @ m.Wv, m.kv_heads)
    o = functional.scaled_dot_product_attention(
        split_heads(x @ m.Wq, m.heads),
        k.repeat_interleave(group, 1),
        v.repeat_interleave(group, 1),
        None if memory.real is None else _seen(memory.real)[:, None],
    )
    y: Tensor = join_heads(_of_some(o, memory)) @ m.Wo
    return y


def _dot(x: Tensor, m: Any, memory: Memory) -> Tensor:
    return _mean(x @ memory.m.transpose(1, 2), memory)


def _general(x: Tensor, m: Any, memory: Memory) -> Tensor:
    return _dot(x @ m.W, m, memory)


def _additive(x: Tensor, m: Any, memory: Memory) -> Tensor:
    t = torch.tanh((x @ m.W)[:, :, None] + (memory.m @ m.U)[:, None])
    return _mean(t @ m.v, memory)


def _mean(e: Tensor, memory: Memory) -> Tensor:
    """softmax(e) h over the real steps of the memory."""
    if memory.real is not None:
        e = e.masked_fill(~_seen(memory.real), -torch.inf)
    return _of_some(torch.softmax(e, -1) @ memory.m, memory)


def _seen(real: Tensor) -> Tensor:
    """[batch, 1, source]. Of a memory without a real step all is seen, for a row without any would
    be 0/0, in the derivative as well; `_of_some` puts its answer right."""
    return (real | ~real.any(1, keepdim=True))[:, None]


def _of_some(y: Tensor, memory: Memory) -> Tensor:
    """y[batch, ...] with zeros where the memory has no real step."""
    if memory.real is None:
        return y
    return y.masked_fill(~memory.real.any(1).reshape(-1, *[1] * (y.ndim - 1)), 0)


def _summary(x: Tensor, m: Any, memory: Memory) -> Tensor:
    h, real = memory
    if real is None:
        real = h.new_ones(h.shape[:2], dtype=torch.bool)
    steps = torch.arange(h.shape[1], device=h.device)
    c = _row(h, torch.where(real, steps, 0).max(1).values)
    if m.bidirectional:
        half = h.shape[2] // 2
        c = torch.cat((c[:, :half], _row(h, real.int().argmax(1))[:, half:]), 1)
    return c[:, None].expand(-1, x.shape[1], -1)


def _row(h: Tensor, places: Tensor) -> Tensor:
    """h[n, places[n]]"""
    # Not take_along_dim: torch.export would take the batch for a constant.
    return h.gather(1, places[:, None, None].expand(-1, 1, h.shape[2]))[:, 0]


def _without_padding(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function of x and a memory that hold zeros in their padding, with y = 0 in that of x."""

    def masked(x: Tensor, m: Any, real: Tensor | None, memory: Memory) -> Tensor:
        if memory.real is not None:
            memory = Memory(memory.m.masked_fill(~memory.real[..., None], 0), memory.real)
        if real is None:
            return function(x, m, memory)
        padding = ~real[..., None]
        return function(x.masked_fill(padding, 0), m, memory).masked_fill(padding, 0)

    return masked


TWINS: dict[type[Layer], Callable[..., Any]] = {
    layers.AdditiveAttention: _without_padding(_additive),
    layers.CrossAttention: _without_padding(_cross_attention),
    layers.DotAttention: _without_padding(_dot),
    layers.GeneralAttention: _without_padding(_general),
    layers.Summary: _without_padding(_summary),
}
"""y, given x, m, which steps of x are real, and the memory."""
