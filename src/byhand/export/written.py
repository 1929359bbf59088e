"""How each layer is written with torch.nn, whose layers hold their weights another way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand import layers
from byhand.errors import InputError
from byhand.layers import Layer, Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Written:
    """An expression that makes the layer, and the arrays that PyTorch keeps for it."""

    expression: str
    arrays: Mapping[str, Array] = field(default_factory=dict)


def _pair(settings: Mapping[str, float], what: str) -> str:
    """A setting for both axes of an image: 5 where they are equal, else (5, 3)."""
    height, width = int(settings[f"{what}_height"]), int(settings[f"{what}_width"])
    return str(height) if height == width else f"({height}, {width})"


def _dense(layer: layers.Dense, shape: Shape) -> Written:
    n_in, n_out = layer.W.shape
    return Written(f"nn.Linear({n_in}, {n_out})", {"weight": layer.W.T, "bias": layer.b})


def _convolution(layer: layers.Convolution2D, shape: Shape) -> Written:
    s = layer.settings
    more = {what: _pair(s, what) for what in ("stride", "padding", "dilation")}
    more["groups"] = str(int(s["groups"]))
    usual = {"stride": "1", "padding": "0", "dilation": "1", "groups": "1"}
    options = "".join(f", {name}={v}" for name, v in more.items() if v != usual[name])
    sizes = f"{layer.sizes['in']}, {layer.sizes['out']}, {_pair(s, 'kernel')}"
    return Written(f"nn.Conv2d({sizes}{options})", {"weight": layer.W, "bias": layer.b})


def _pool(kind: str) -> Callable[[Any, Shape], Written]:
    def written(layer: Any, shape: Shape) -> Written:
        kernel, stride, padding = (
            _pair(layer.settings, what) for what in ("kernel", "stride", "padding")
        )
        return Written(f"nn.{kind}({kernel}, stride={stride}, padding={padding})")

    return written


def _batch_norm(layer: layers.BatchNorm, shape: Shape) -> Written:
    axes = "2d" if len(shape) == 3 else "1d"
    options = f"eps={layer.epsilon!r}, momentum={layer.momentum!r}"
    arrays = {
        "weight": layer.gamma,
        "bias": layer.beta,
        "running_mean": layer.running_mean,
        "running_var": layer.running_variance,
        "num_batches_tracked": np.zeros((), np.int64),
    }
    return Written(f"nn.BatchNorm{axes}({layer.sizes['features']}, {options})", arrays)


def _layer_norm(layer: layers.LayerNorm, shape: Shape) -> Written:
    expression = f"nn.LayerNorm({layer.sizes['features']}, eps={layer.epsilon!r})"
    return Written(expression, {"weight": layer.gamma, "bias": layer.beta})


def _plain(expression: str) -> Callable[[Any, Shape], Written]:
    return lambda layer, shape: Written(expression)


LAYERS: dict[type[Layer], Callable[[Any, Shape], Written]] = {
    layers.AveragePool2D: _pool("AvgPool2d"),
    layers.BatchNorm: _batch_norm,
    layers.Convolution2D: _convolution,
    layers.Dense: _dense,
    layers.Dropout: lambda layer, shape: Written(f"nn.Dropout({layer.rate!r})"),
    layers.Flatten: _plain("nn.Flatten()"),
    layers.GlobalAveragePool2D: _plain("nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"),
    layers.LayerNorm: _layer_norm,
    layers.MaxPool2D: _pool("MaxPool2d"),
    layers.ReLU: _plain("nn.ReLU()"),
    layers.Sigmoid: _plain("nn.Sigmoid()"),
    layers.Softmax: _plain("nn.Softmax(dim=-1)"),
    layers.Tanh: _plain("nn.Tanh()"),
}


def written(layer: Layer, shape: Shape) -> Written:
    """The layer in torch.nn, for an example of this shape.

    Raises      InputError for a layer without an entry in LAYERS
    """
    if type(layer) not in LAYERS:
        names = ", ".join(kind.__name__ for kind in LAYERS)
        raise InputError(
            f"the layer {type(layer).__name__} cannot be written with torch.nn yet, only {names}; "
            f"add it to LAYERS in src/byhand/export/written.py, or export --to onnx"
        )
    return LAYERS[type(layer)](layer, shape)
