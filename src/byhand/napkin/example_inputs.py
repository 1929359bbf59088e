"""Inputs for a module that says nothing of them: guessed from its first layer, and said so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

PICTURES = (28, 32, 64, 96, 224)
"""Sides of pictures to try, in this order."""


def candidates(module: nn.Module, batch: int, context: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Inputs that the module may want, the likeliest first."""
    import torch
    from torch import nn

    for layer in module.modules():
        match layer:
            case nn.Embedding():
                words = torch.randint(0, layer.num_embeddings, (batch, context))
                yield (words,)
            case nn.MultiheadAttention():
                x = _sequence(batch, context, layer.embed_dim, layer.batch_first)
                yield (x,)
                yield (x, x, x)
            case nn.RNNBase():
                yield (_sequence(batch, context, layer.input_size, layer.batch_first),)
            case nn.Conv2d():
                for side in PICTURES:
                    yield (torch.randn(batch, layer.in_channels, side, side),)
            case nn.Conv1d():
                yield (torch.randn(batch, layer.in_channels, context),)
            case nn.Linear():
                yield (torch.randn(batch, layer.in_features),)
                yield (torch.randn(batch, context, layer.in_features),)
            case nn.LayerNorm():
                yield (torch.randn(batch, context, *layer.normalized_shape),)


def shapes(inputs: tuple[Any, ...]) -> str:
    """How the inputs look: 32×1×28×28."""
    return ", ".join("×".join(map(str, x.shape)) for x in inputs if hasattr(x, "shape"))


def _sequence(batch: int, context: int, width: int, batch_first: bool) -> torch.Tensor:
    import torch

    return torch.randn(*((batch, context) if batch_first else (context, batch)), width)
