import math

import torch


class CausalAttention(torch.autograd.Function):
    """softmax(Q K^T / sqrt(d)) V with a causal mask; tensors are (batch, heads, time, d)"""

    @staticmethod
    def forward(ctx, q, k, v):
        T = q.size(-2)
        scale = 1 / math.sqrt(q.size(-1))
        att = (q @ k.transpose(-2, -1)) * scale
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        att = att.masked_fill(future, float("-inf"))
        att = torch.softmax(att, dim=-1)
        ctx.save_for_backward(q, k, v, att)
        ctx.scale = scale
        return att @ v

    @staticmethod
    def backward(ctx, dy):
        q, k, v, att = ctx.saved_tensors
        dv = att.transpose(-2, -1) @ dy
        datt = dy @ v.transpose(-2, -1)
        dpre = att * (datt - (datt * att).sum(dim=-1, keepdim=True))
        dpre = dpre * ctx.scale
        dq = dpre @ k
        dk = dpre.transpose(-2, -1) @ q
        return dq, dk, dv


def example(rng):
    B, nh, T, d = 2, 2, 4, 3
    return {name: torch.from_numpy(rng.normal(size=(B, nh, T, d))) for name in "qkv"}
