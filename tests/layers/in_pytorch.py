"""Our layers as PyTorch's modules, in the one layout and the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from byhand.layers import Sequential
from byhand.layers.multi_head import MultiHead

from .peer import assert_same

Array = Any


def in_pytorch(layer: MultiHead) -> nn.MultiheadAttention:
    """With the same weights. PyTorch has the outputs of a projection as rows, and Wq, Wk, Wv one
    below the other."""
    module = nn.MultiheadAttention(
        layer.sizes["width"], layer.heads, bias=False, batch_first=True, dtype=torch.float64
    )
    copy_weights(layer, module)
    return module


def copy_weights(layer: MultiHead, module: nn.MultiheadAttention) -> None:
    """Those of our layer to theirs, which may have biases beside them."""
    with torch.no_grad():
        module.in_proj_weight.copy_(
            torch.tensor(np.concatenate((layer.Wq, layer.Wk, layer.Wv), axis=1).T)
        )
        module.out_proj.weight.copy_(torch.tensor(layer.Wo.T))


PLACES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}


def copy_layers(model: Sequential, modules: Mapping[str, nn.Module]) -> None:
    """The arrays of our layers to their modules, by the layers' names."""
    for layer in model.layers:
        module = modules.get(str(layer.name))
        if isinstance(layer, Sequential):
            copy_layers(layer, modules)
        elif isinstance(module, nn.MultiheadAttention):
            assert isinstance(layer, MultiHead)
            copy_weights(layer, module)
        elif module is not None:
            with torch.no_grad():
                for symbol, w in layer.parameters.items():
                    getattr(module, PLACES[symbol]).copy_(torch.tensor(w.T))


def assert_gradients_of_layers(
    gradients: Mapping[str, Array], modules: Mapping[str, nn.Module]
) -> None:
    for name, gradient in gradients.items():
        layer, symbol = name.split(".")[-2:]
        if isinstance(modules[layer], nn.MultiheadAttention):
            assert_same(gradient, gradients_in_pytorch(modules[layer])[symbol])
        else:
            assert_same(gradient, getattr(modules[layer], PLACES[symbol]).grad.numpy().T)


def gradients_in_pytorch(module: nn.MultiheadAttention) -> dict[str, Array]:
    assert module.in_proj_weight is not None
    assert module.in_proj_weight.grad is not None
    dWq, dWk, dWv = np.split(module.in_proj_weight.grad.numpy().T, 3, axis=1)
    assert module.out_proj.weight.grad is not None
    return {"Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": module.out_proj.weight.grad.numpy().T}
