"""How each layer is written with torch.nn, whose layers hold their weights another way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand import layers
from byhand.errors import InputError
from byhand.export import transformer
from byhand.layers import Layer, Shape
from byhand.layers.recurrent import RecurrentLayer

Array = NDArray[Any]


@dataclass(frozen=True)
class Written:
    """An expression that makes the layer, and the arrays that PyTorch keeps for it.

    expression  None for what takes no object
    line        what the layer does to x, where it is called {layer} and its state is kept by {name}
    classes     definitions of classes that torch.nn does not have
    """

    expression: str | None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    line: str = "x = {layer}(x)"
    classes: tuple[str, ...] = ()


REMEMBERING = "x, states[{name!r}] = {layer}(x, states.get({name!r}))"
RESET_BEFORE = '''\
class GRUResetBefore(nn.Module):
    """The GRU as it was published: its reset gate acts before the product, nn.GRU's after it."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.of_input = nn.Linear(inputs, 3 * hidden)
        self.of_gates = nn.Linear(hidden, 2 * hidden, bias=False)
        self.of_new = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = x.new_zeros(len(x), self.of_new.in_features) if h is None else h
        steps = []
        for u in self.of_input(x).unbind(1):
            u_r, u_z, u_n = u.chunk(3, 1)
            v_r, v_z = self.of_gates(h).chunk(2, 1)
            r, z = torch.sigmoid(u_r + v_r), torch.sigmoid(u_z + v_z)
            h = (1 - z) * torch.tanh(u_n + self.of_new(r * h)) + z * h
            steps.append(h)
        return torch.stack(steps, 1), h
'''
BOTH_DIRECTIONS = '''\
class Bidirectional(nn.Module):
    """What one layer knows from the steps before, and beside it another from those after."""

    def __init__(self, ahead: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = ahead, back

    def forward(self, x: Tensor) -> Tensor:
        (ahead, _), (back, _) = self.ahead(x), self.back(x.flip(1))
        return torch.cat((ahead, back.flip(1)), dim=2)
'''


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


def _recurrent(layer: RecurrentLayer, shape: Shape | None = None) -> Written:
    kind, sizes = type(layer).__name__, f"{layer.sizes['in']}, {layer.sizes['hidden']}"
    second = np.zeros_like(layer.b)
    if isinstance(layer, layers.GRU):
        if not layer.reset_after:
            return _reset_before(layer, sizes)
        second[2 * len(layer.bn) :] = layer.bn
    arrays = {
        "weight_ih_l0": layer.Wx.T,
        "weight_hh_l0": layer.Wh.T,
        "bias_ih_l0": layer.b,
        "bias_hh_l0": second,
    }
    return Written(f"nn.{kind}({sizes}, batch_first=True)", arrays, REMEMBERING)


def _reset_before(layer: layers.GRU, sizes: str) -> Written:
    gates, new = np.split(layer.Wh, [2 * len(layer.bn)], axis=1)
    arrays = {
        "of_input.weight": layer.Wx.T,
        "of_input.bias": layer.b,
        "of_gates.weight": gates.T,
        "of_new.weight": new.T,
        "of_new.bias": layer.bn,
    }
    return Written(f"GRUResetBefore({sizes})", arrays, REMEMBERING, (RESET_BEFORE,))


def _both_directions(layer: layers.Bidirectional, shape: Shape) -> Written:
    ahead, back = (_recurrent(inner) for inner in layer.directions.values())
    arrays = {f"ahead.{name}": value for name, value in ahead.arrays.items()}
    arrays |= {f"back.{name}": value for name, value in back.arrays.items()}
    expression = f"Bidirectional({ahead.expression}, {back.expression})"
    classes = (*ahead.classes, *back.classes, BOTH_DIRECTIONS)
    return Written(expression, arrays, classes=classes)


def _one_hot(layer: layers.OneHot, shape: Shape) -> Written:
    rows = f"nn.functional.one_hot(x, {layer.sizes['vocabulary']})"
    return Written(None, line=f"x = {rows}.to(torch.{layer.dtype})")


def _embedding(layer: layers.Embedding, shape: Shape) -> Written:
    vocabulary, features = layer.E.shape
    return Written(f"nn.Embedding({vocabulary}, {features})", {"weight": layer.E})


def _projection(layer: layers.Projection, shape: Shape) -> Written:
    n_in, n_out = layer.W.shape
    return Written(f"nn.Linear({n_in}, {n_out}, bias=False)", {"weight": layer.W.T})


def _rms_norm(layer: layers.RMSNorm, shape: Shape) -> Written:
    expression = f"nn.RMSNorm({layer.sizes['features']}, eps={layer.epsilon!r})"
    return Written(expression, {"weight": layer.gamma})


def _learned_positions(layer: layers.LearnedPositions, shape: Shape) -> Written:
    rows, width = layer.P.shape
    expression = f"LearnedPositions({rows}, {width})"
    return Written(expression, {"P": layer.P}, classes=(transformer.LEARNED,))


def _attention(layer: layers.SelfAttention, shape: Shape) -> Written:
    sizes = f"{layer.sizes['width']}, {layer.heads}, {layer.kv_heads}"
    return Written(
        f"SelfAttention({sizes}, causal={layer.causal}, rotary={layer.rotary})",
        {f"{part}.weight": getattr(layer, f"W{part}").T for part in "qkvo"},
        classes=(transformer.ATTENTION,),
    )


def _swiglu(layer: layers.SwiGLU, shape: Shape) -> Written:
    return Written(
        f"SwiGLU({layer.sizes['width']}, {layer.sizes['hidden']})",
        {"gate.weight": layer.W.T, "up.weight": layer.V.T, "down.weight": layer.W2.T},
        classes=(transformer.SWIGLU,),
    )


def _block(block: layers.Residual | layers.Concatenation, shape: Shape) -> Written:
    """A block whose layers take x and nothing else."""
    kind = type(block).__name__
    inside: list[str] = []
    arrays: dict[str, Array] = {}
    classes: list[str] = []
    for place, layer in enumerate(block.layers):
        there = written(layer, shape)
        if there.expression is None or there.line != Written.line:
            raise InputError(
                f"{block}: {layer} cannot be written inside of a block, for it has a state or no "
                "module of its own; export --to onnx"
            )
        inside.append(there.expression)
        arrays |= {f"f.{place}.{symbol}": value for symbol, value in there.arrays.items()}
        classes += there.classes
        shape = layer.output_shape(shape)
    return Written(f"{kind}({', '.join(inside)})", arrays, classes=(*classes, BLOCKS[kind]))


BLOCKS = {"Concatenation": transformer.CONCATENATION, "Residual": transformer.RESIDUAL}


def _plain(expression: str) -> Callable[[Any, Shape], Written]:
    return lambda layer, shape: Written(expression)


LAYERS: dict[type[Layer], Callable[[Any, Shape], Written]] = {
    layers.AveragePool2D: _pool("AvgPool2d"),
    layers.BatchNorm: _batch_norm,
    layers.Bidirectional: _both_directions,
    layers.Concatenation: _block,
    layers.Convolution2D: _convolution,
    layers.Dense: _dense,
    layers.Dropout: lambda layer, shape: Written(f"nn.Dropout({layer.rate!r})"),
    layers.Embedding: _embedding,
    layers.GELU: lambda layer, shape: Written(
        "nn.GELU()" if layer.exact else 'nn.GELU(approximate="tanh")'
    ),
    layers.Flatten: _plain("nn.Flatten()"),
    layers.GRU: _recurrent,
    layers.GlobalAveragePool2D: _plain("nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"),
    layers.LSTM: _recurrent,
    layers.LastStep: lambda layer, shape: Written(None, line="x = x[:, -1]"),
    layers.LayerNorm: _layer_norm,
    layers.LearnedPositions: _learned_positions,
    layers.MaxPool2D: _pool("MaxPool2d"),
    layers.OneHot: _one_hot,
    layers.Projection: _projection,
    layers.RMSNorm: _rms_norm,
    layers.RNN: _recurrent,
    layers.ReLU: _plain("nn.ReLU()"),
    layers.Residual: _block,
    layers.SelfAttention: _attention,
    layers.SiLU: _plain("nn.SiLU()"),
    layers.Sigmoid: _plain("nn.Sigmoid()"),
    layers.SinusoidalPositions: lambda layer, shape: Written(
        "SinusoidalPositions()", classes=(transformer.SINUSOIDAL,)
    ),
    layers.Softmax: _plain("nn.Softmax(dim=-1)"),
    layers.SwiGLU: _swiglu,
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
