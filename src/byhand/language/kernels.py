"""Products with a weight matrix: as it is, or with eight bits a weight.

A token that is generated reads every weight once, so the bytes of the weights are the time. On a
CPU the weights are kept as

    W[o, i] ≈ s[o] · q[o, i]        q in −127 … 127, one scale for each row

and y = (x qᵀ) · s, by the kernel that PyTorch has for it. Activations stay in bfloat16: rounding
them to eight bits as well, with one scale for all, is what breaks a text.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

FEW = 16
"""Up to so many rows of x the kernel is faster than unpacking the weights for a dense product."""
AT_ONCE = 2**22
"""Weights that are rounded together, so that rounding takes little memory."""

Ready = MutableMapping[str, tuple[Tensor, Tensor]]
"""q and s of matrices that are rounded already, by name."""


class Matrix(Protocol):
    """W[out, in], as a map of rows."""

    def __call__(self, x: Tensor) -> Tensor:
        """y = x Wᵀ + b

        Shapes      x[rows, in] -> y[rows, out]
        """

    def rows(self, ids: Tensor) -> Tensor:
        """The rows of these numbers: W as an embedding.

        Shapes      ids[n] -> [n, in]
        """

    @property
    def nbytes(self) -> int:
        """What it takes of the memory."""


class Plain:
    """The numbers as they are."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)

    def rows(self, ids: Tensor) -> Tensor:
        return embedding(ids, self.weight)

    @property
    def nbytes(self) -> int:
        return self.weight.nbytes + (0 if self.bias is None else self.bias.nbytes)


class Int8:
    """Eight bits a weight and a scale a row; x and y are bfloat16."""

    def __init__(self, quants: Tensor, scale: Tensor, bias: Tensor | None = None) -> None:
        self.quants, self.scale, self.bias = quants, scale, bias

    @classmethod
    def rounded(cls, weight: Tensor, bias: Tensor | None = None) -> Int8:
        """Of weights as they are."""
        scale = _scales(weight)
        quants = torch.empty(weight.shape, dtype=torch.int8)
        step = max(1, AT_ONCE // weight.shape[1])
        for first in range(0, len(weight), step):
            part = slice(first, first + step)
            exact = weight[part].float() / scale[part, None].float()
            quants[part] = exact.round_()
        return cls(quants, scale, bias)

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor
        if len(x) <= FEW:
            y = torch.ops.aten._weight_int8pack_mm(x, self.quants, self.scale)
        else:
            # Whole numbers up to 127 are exact in bfloat16.
            y = linear(x, self.quants.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias

    def rows(self, ids: Tensor) -> Tensor:
        rows: Tensor = self.quants[ids].to(self.scale.dtype) * self.scale[ids, None]
        return rows

    @property
    def nbytes(self) -> int:
        bias = 0 if self.bias is None else self.bias.nbytes
        return self.quants.nbytes + self.scale.nbytes + bias


def _scales(weight: Tensor) -> Tensor:
    """s = max|W| / 127 in bfloat16, rounded up so that no q is beyond 127; 1 for a row of zeros.

    The weights are rounded with the scale as it is stored, so its own rounding does no harm.
    """
    wanted = weight.abs().amax(1).float() / 127
    scale = wanted.bfloat16()
    up = torch.nextafter(scale, torch.full_like(scale, torch.inf))
    scale = torch.where(scale.float() < wanted, up, scale)
    return torch.where(wanted > 0, scale, torch.ones_like(scale))


@cache
def has_int8() -> bool:
    """Whether this build of PyTorch has the kernel, and it computes what it should."""
    x, weight = torch.eye(2, 32).bfloat16(), torch.arange(64.0).reshape(2, 32)
    packed = Int8.rounded(weight)
    try:
        found = torch.ops.aten._weight_int8pack_mm(x, packed.quants, packed.scale)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return torch.allclose(found.float(), weight[:, :2].T, rtol=0.01, atol=0.5)
