"""The whole Transformer, encoder and decoder, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from byhand.layers import (
    CrossAttention,
    Dense,
    Embedding,
    Encoder,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    SelfAttention,
    Sequential,
)

from .in_pytorch import assert_gradients_of_layers, copy_layers
from .peer import assert_same

WIDTH, HEADS, HIDDEN, DEPTH = 8, 2, 6, 2
IDS = np.array([[[1, 4, 2, 3], [3, 0, 1, 2]], [[2, 0, -1, -1], [2, 2, 1, -1]]])


def block(f: list[Layer], norm: LayerNorm, norm_first: bool) -> list[Layer]:
    return [Residual(norm, *f)] if norm_first else [Residual(*f), norm]


def forward_of(name: str) -> list[Layer]:
    up, down = Dense(WIDTH, HIDDEN, name=f"{name}up"), Dense(HIDDEN, WIDTH, name=f"{name}down")
    return [up, ReLU(), down]


def transformer(norm_first: bool) -> Sequential:
    """nn.Transformer with embeddings before both halves, in our layers."""

    def norm(name: str) -> LayerNorm:
        return LayerNorm(WIDTH, name=name)

    source: list[Layer] = [Embedding(5, WIDTH, name="source")]
    target: list[Layer] = [Embedding(4, WIDTH, name="target")]
    for k in map(str, range(DEPTH)):
        attention = SelfAttention(WIDTH, HEADS, name=f"e{k}heads")
        causal = SelfAttention(WIDTH, HEADS, causal=True, name=f"d{k}heads")
        cross = CrossAttention(WIDTH, HEADS, name=f"d{k}cross")
        source += block([attention], norm(f"e{k}norm1"), norm_first)
        source += block(forward_of(f"e{k}"), norm(f"e{k}norm2"), norm_first)
        target += block([causal], norm(f"d{k}norm1"), norm_first)
        target += block([cross], norm(f"d{k}norm2"), norm_first)
        target += block(forward_of(f"d{k}"), norm(f"d{k}norm3"), norm_first)
    return Sequential(
        Encoder(*source, norm("enorm"), name="encoder"), *target, norm("dnorm")
    ).initialize(0)


def modules_of(module: nn.Transformer) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {"enorm": module.encoder.norm, "dnorm": module.decoder.norm}
    for half, stack in (("e", module.encoder.layers), ("d", module.decoder.layers)):
        for k, layer in enumerate(stack):
            parts = {"heads": "self_attn", "up": "linear1", "down": "linear2"}
            parts |= {f"norm{n}": f"norm{n}" for n in ((1, 2) if half == "e" else (1, 2, 3))}
            parts |= {} if half == "e" else {"cross": "multihead_attn"}
            found |= {f"{half}{k}{ours}": getattr(layer, their) for ours, their in parts.items()}
    return found


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_values_and_gradients_are_pytorchs(norm_first: bool) -> None:
    model, rng = transformer(norm_first), np.random.default_rng(1)
    model.set_parameters(
        {n: w + 0.3 * rng.standard_normal(w.shape) for n, w in model.parameters.items()}
    )
    module = nn.Transformer(
        *(WIDTH, HEADS, DEPTH, DEPTH, HIDDEN, 0.0),
        norm_first=norm_first,
        batch_first=True,
        dtype=torch.float64,
    )
    modules = modules_of(module)
    copy_layers(model, modules)
    E = {
        name: torch.tensor(model.parameters[f"{name}.E"], requires_grad=True)
        for name in ("encoder.source", "target")
    }
    source, target = (torch.tensor(IDS[:, row]) for row in (0, 1))
    expected = module(
        E["encoder.source"][source.clamp(min=0)],
        E["target"][target.clamp(min=0)],
        tgt_mask=torch.ones(4, 4).tril().logical_not(),
        src_key_padding_mask=source < 0,
        memory_key_padding_mask=source < 0,
        tgt_key_padding_mask=target < 0,
    )
    real = IDS[:, 1] >= 0
    dy = rng.standard_normal((2, 4, WIDTH))
    dy[~real] = 0
    expected.backward(torch.tensor(dy))

    y, caches = model.forward(IDS)
    _, gradients = model.backward(dy, caches)
    assert_same(y[real], expected.detach().numpy()[real])
    for name, their in E.items():
        assert_same(gradients.pop(f"{name}.E"), their.grad)
    assert len(gradients) == len(model.parameters) - 2
    assert_gradients_of_layers(gradients, modules)
