"""Each layer once more, in a line of PyTorch. Its derivative is autograd's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from byhand import layers
from byhand.engines.torch.twins import twin_of
from byhand.errors import InputError
from byhand.layers import Layer, Sequential

Function = Callable[[Tensor, Any], Tensor]


def _pair(m: Any, what: str) -> tuple[int, int]:
    """A setting that there is for each axis of an image, such as stride."""
    return getattr(m, f"{what}_height"), getattr(m, f"{what}_width")


def _windows(m: Any) -> Any:
    return _pair(m, "kernel"), _pair(m, "stride"), _pair(m, "padding")


TWINS: dict[type[Layer], Function] = {
    layers.AveragePool2D: lambda x, m: functional.avg_pool2d(x, *_windows(m)),
    layers.BatchNorm: lambda x, m: functional.batch_norm(
        x, m.running_mean, m.running_variance, m.gamma, m.beta, m.training, m.momentum, m.epsilon
    ),
    layers.Convolution2D: lambda x, m: functional.conv2d(
        x, m.W, m.b, _pair(m, "stride"), _pair(m, "padding"), _pair(m, "dilation"), m.groups
    ),
    layers.Dense: lambda x, m: torch.addmm(m.b, x, m.W),
    layers.Dropout: lambda x, m: x,  # in training its mask comes first, see Twin
    layers.Flatten: lambda x, m: x.reshape(x.shape[0], math.prod(x.shape[1:])),
    layers.GlobalAveragePool2D: lambda x, m: x.mean((2, 3)),
    layers.LayerNorm: lambda x, m: functional.layer_norm(
        x, m.gamma.shape, m.gamma, m.beta, m.epsilon
    ),
    layers.MaxPool2D: lambda x, m: functional.max_pool2d(x, *_windows(m)),
    layers.ReLU: lambda x, m: torch.relu(x),
    layers.Sigmoid: lambda x, m: torch.sigmoid(x),
    layers.Softmax: lambda x, m: torch.softmax(x, -1),
    layers.Tanh: lambda x, m: torch.tanh(x),
}
"""What a layer computes of its input x. m has its parameters under the symbols of its equation, its
settings by name, and says whether it is `training`."""


class Twin(nn.Module):
    """One layer: its parameters, those that no gradient changes as buffers, and its function.

    Raises      InputError for a layer without an entry in TWINS
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.function = twin_of(layer, TWINS, "layer", "layers.TWINS")
        for symbol, value in layer.parameters.items():
            tensor = torch.tensor(value)
            if symbol in layer.statistics:
                self.register_buffer(symbol, tensor)
            else:
                self.register_parameter(symbol, nn.Parameter(tensor))
        for name, setting in layer.settings.items():
            setattr(self, name, setting)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.function(x if mask is None else x * mask, self)


class Network(nn.Module):
    """The model's layers one after the other; its state_dict has the model's parameters by name."""

    def __init__(self, model: Sequential) -> None:
        super().__init__()
        for layer in model.layers:
            name = str(layer.name)
            if hasattr(self, name):
                raise InputError(
                    f"{layer}: a PyTorch module has an attribute of its own that is named {name}; "
                    f"give the layer another name, or use engine numpy"
                )
            self.add_module(name, Twin(layer))

    def forward(self, x: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        """The output. Masks are dropout's, by the names of the layers."""
        for name, twin in self.named_children():
            x = twin(x, masks.get(name))
        return x

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The output of each layer by its name."""
        outputs = {}
        for name, twin in self.named_children():
            outputs[name] = x = twin(x)
        return outputs
