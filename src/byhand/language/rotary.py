"""Rotary embeddings: by which angle each pair of numbers of a head is turned at each position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from byhand.checkpoints.rotary import llama3_factors
from byhand.errors import InputError
from byhand.language.sources import NO_EXTRA


def frequencies(config: dict[str, Any], theta: float, scaled: bool = True) -> tuple[Tensor, float]:
    """The angle per position of each pair, and what cosines and sines are multiplied by.

        f_k = θ^(−2k/d), stretched as `rope_scaling` says

    Shapes      f[d / 2], float32
    Source      Su et al., RoFormer, arXiv:2104.09864, eq. 15
    Raises      InputError where the scaling is one that needs transformers, and it is missing
    """
    width = config["head_dim"]
    f = 1.0 / theta ** (torch.arange(0, width, 2).float() / width)
    scaling = config["rope_scaling"] if scaled else None
    if scaling is None:
        return f, 1.0
    if scaling["rope_type"] == "linear":
        return f / float(scaling["factor"]), 1.0
    if scaling["rope_type"] == "llama3":
        return f / torch.from_numpy(llama3_factors(scaling, theta, width)), 1.0
    try:
        from transformers import AutoConfig
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    except ImportError:
        kind = scaling["rope_type"]
        raise InputError(
            f"positions are scaled by {kind}, which needs transformers: {NO_EXTRA}"
        ) from None
    made = AutoConfig.for_model(**config)
    f, factor = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](made, torch.device("cpu"))
    return f, float(factor)


def table(f: Tensor, factor: float, context: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of all positions, for `turn`.

    Shapes      f[d / 2] -> two of [context, 1, d]
    """
    angles = torch.outer(torch.arange(context).float(), f)
    angles = torch.cat((angles, angles), 1)[:, None]
    return (angles.cos() * factor).to(dtype), (angles.sin() * factor).to(dtype)


def turn(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """The k-th number of the first half of a head and the k-th of the second, as a pair, turned.

    Shapes      x[time, heads, d], cosines and sines[time, 1, d] -> [time, heads, d]
    """
    first, second = x.chunk(2, -1)
    return x * cosines + torch.cat((-second, first), -1) * sines
