"""Batch normalisation and SiLU as one operation of PyTorch, with its derivative by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PLACES = (0, 2, 3)


class BatchNormSiLU(torch.autograd.Function):
    """h = u σ(u),  u = γ x̂ + β,  x̂ = (z − μ) / deviation, over the batch and all places.

    Shapes      z, h [batch, channels, height, width]   gamma, beta [channels]
    Derivatives du = dh σ (1 + u (1 − σ)); from there as in batch normalisation.
    Kept        z and two numbers per channel: x̂, u and σ are computed again.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        mean = z.mean(PLACES, keepdim=True)
        deviation = (z.var(PLACES, correction=0, keepdim=True) + 1e-5).sqrt()
        ctx.save_for_backward(z, mean, deviation, gamma, beta)
        u = gamma.view(-1, 1, 1) * (z - mean) / deviation + beta.view(-1, 1, 1)
        return u * u.sigmoid()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, mean, deviation, gamma, beta = ctx.saved_tensors
        xhat = (z - mean) / deviation
        u = gamma.view(-1, 1, 1) * xhat + beta.view(-1, 1, 1)
        sigma = u.sigmoid()
        du = dh * sigma * (1 + u * (1 - sigma))
        dxhat = du * gamma.view(-1, 1, 1)
        shift = dxhat.mean(PLACES, keepdim=True)
        stretch = (dxhat * xhat).mean(PLACES, keepdim=True)
        dz = (dxhat - shift - xhat * stretch) / deviation
        dgamma, dbeta = (du * xhat).sum(PLACES), du.sum(PLACES)
        return dz, dgamma, dbeta


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to it."""
    gamma, beta = rng.standard_normal((2, 3))
    return {"z": rng.standard_normal((4, 3, 2, 5)), "gamma": gamma, "beta": beta}
