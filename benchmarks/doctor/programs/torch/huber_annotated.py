from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class HuberLoss(torch.autograd.Function):
    """Mean of the Huber loss with a threshold of one."""

    @staticmethod
    def forward(ctx, prediction: Float[Tensor, "batch out"], target: Float[Tensor, "batch out"]):
        r = prediction - target
        small = r.abs() <= 1
        ctx.save_for_backward(r, small)
        return torch.where(small, 0.5 * r * r, r.abs() - 0.5).mean()

    @staticmethod
    def backward(ctx, g):
        r, small = ctx.saved_tensors
        d = torch.where(small, r, r.sign()) / r.numel()
        return g * d, -g * d
