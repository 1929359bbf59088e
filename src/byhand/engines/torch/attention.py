"""Self-attention and positions in PyTorch, by its scaled dot-product attention.

As the recurrent layers they are told which steps are real and start from a state, whose form is
that of layers/self_attention.py and layers/positions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from byhand.layers import Layer
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.rotary import BASE
from byhand.layers.self_attention import SelfAttention
from byhand.layers.sinusoidal_positions import SinusoidalPositions


def self_attention(
    x: Tensor, m: Any, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """y and the final state: the keys, the values, and which steps are real."""
    padding = None if real is None else ~real[..., None]
    if padding is not None:
        x = x.masked_fill(padding, 0)
    real = x.new_ones(x.shape[:2], dtype=torch.bool) if real is None else real
    # Not len(x): torch.export would take the batch for a constant.
    past = x.new_zeros(x.shape[0], 0, 2 * m.Wk.shape[1] + 1) if state is None else state
    past = past.masked_fill(past[..., -1:] == 0, 0)  # 0 · NaN would be NaN
    past_k, past_v, past_real = torch.split(past, [m.Wk.shape[1], m.Wv.shape[1], 1], 2)
    q, k, v = (
        split_heads(x @ m.Wq, m.heads),
        split_heads(x @ m.Wk, m.kv_heads),
        split_heads(x @ m.Wv, m.kv_heads),
    )
    if m.rotary:
        positions = past_real.sum(1) + real.cumsum(1) - 1
        q, k = _turned(q, positions), _turned(k, positions)
    k = torch.cat((split_heads(past_k, m.kv_heads), k), 2)
    v = torch.cat((split_heads(past_v, m.kv_heads), v), 2)
    all_real = torch.cat((past_real[..., 0] != 0, real), 1)
    group = m.heads // m.kv_heads
    seen = {"is_causal": m.causal} if padding is None and state is None else None
    o = functional.scaled_dot_product_attention(
        q,
        k.repeat_interleave(group, 1),
        v.repeat_interleave(group, 1),
        **(seen or {"attn_mask": _allowed(real, all_real, m.causal)}),
    )
    y = join_heads(o) @ m.Wo
    y = y if padding is None else y.masked_fill(padding, 0)
    return y, torch.cat((join_heads(k), join_heads(v), all_real[..., None].to(k.dtype)), 2)


def split_heads(a: Tensor, heads: int) -> Tensor:
    """[batch, time, heads · d] as [batch, heads, time, d]"""
    batch, time, width = a.shape
    return a.reshape(batch, time, heads, width // heads).transpose(1, 2)


def join_heads(a: Tensor) -> Tensor:
    return a.transpose(1, 2).flatten(2)


def _allowed(real: Tensor, all_real: Tensor, causal: bool) -> Tensor:
    """[batch, 1, time, past + time]. Padding, whose y is of no account, may look at everything: a
    row without any key would be 0/0, in the derivative as well."""
    allowed = all_real[:, None]
    if causal:
        time, steps = real.shape[1], all_real.shape[1]
        seen = torch.ones(time, steps, dtype=torch.bool, device=real.device)
        allowed = allowed & seen.tril(steps - time)
    return (allowed | ~real[..., None])[:, None]


def _angles(positions: Tensor, width: int) -> Tensor:
    """In float64 where the device has it, as in layers/rotary.py."""
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    pairs = torch.arange(0, width, 2, device=positions.device, dtype=exact)
    return positions[..., None].to(exact) * BASE ** (-pairs / width)


def _turned(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary, for x[batch, heads, time, d]."""
    theta = _angles(positions, x.shape[-1])[:, None]
    cos, sin = theta.cos().to(x.dtype), theta.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def _with_positions(table: Callable[[Tensor, Any], Tensor]) -> Callable[..., Any]:
    """x plus the table's rows, and how many steps there were so far."""

    def function(
        x: Tensor, m: Any, real: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        before = x.new_zeros(x.shape[0]) if state is None else state
        steps = x.new_ones(x.shape[:2]) if real is None else real.to(x.dtype)
        positions = (before[:, None] + steps.cumsum(1) - 1).round().long().clamp(min=0)
        y = x + table(positions, m).to(x.dtype)
        y = y if real is None else y.masked_fill(~real[..., None], 0)
        return y, before + steps.sum(1)

    return function


def _waves(positions: Tensor, m: Any) -> Tensor:
    theta = _angles(positions, m.sizes["features"])
    return torch.stack((theta.sin(), theta.cos()), -1).flatten(-2)


TWINS: dict[type[Layer], Callable[..., Any]] = {
    LearnedPositions: _with_positions(lambda positions, m: m.P[positions]),
    SelfAttention: self_attention,
    SinusoidalPositions: _with_positions(_waves),
}
"""As recurrent.TWINS: y and the final state, of x, m, which steps are real and the first state."""
