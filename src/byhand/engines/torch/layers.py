"""Each layer once more, in a line of PyTorch. Its derivative is autograd's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from byhand import layers
from byhand.engines.torch import attention, memory, recurrent
from byhand.engines.torch.memory import Memory
from byhand.engines.torch.twins import twin_of
from byhand.errors import InputError
from byhand.layers import Layer, Sequential
from byhand.layers.sequential import within

NONE: Mapping[str, Tensor] = {}


def _pair(m: Any, what: str) -> tuple[int, int]:
    """A setting that there is for each axis of an image, such as stride."""
    return getattr(m, f"{what}_height"), getattr(m, f"{what}_width")


def _windows(m: Any) -> Any:
    return _pair(m, "kernel"), _pair(m, "stride"), _pair(m, "padding")


def _embedding(ids: Tensor, m: Any) -> Tensor:
    """Rows of E, and of zeros for padding."""
    return torch.where(ids[..., None] < 0, 0, functional.embedding(ids.clamp(min=0), m.E))


def _one_hot(ids: Tensor, m: Any) -> Tensor:
    names = torch.arange(m.sizes["vocabulary"], device=ids.device)
    return (ids[..., None] == names).to(m.dtype)


def _rms_norm(x: Tensor, m: Any) -> Tensor:
    return m.gamma * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + m.epsilon)  # type: ignore[no-any-return]


OVER_STEPS = attention.TWINS | recurrent.TWINS
"""Layers that take a state and give one, beside x and y."""
TWINS: dict[type[Layer], Callable[..., Any]] = {
    layers.AveragePool2D: lambda x, m: functional.avg_pool2d(x, *_windows(m)),
    layers.BatchNorm: lambda x, m: functional.batch_norm(
        x, m.running_mean, m.running_variance, m.gamma, m.beta, m.training, m.momentum, m.epsilon
    ),
    layers.Convolution2D: lambda x, m: functional.conv2d(
        x, m.W, m.b, _pair(m, "stride"), _pair(m, "padding"), _pair(m, "dilation"), m.groups
    ),
    layers.Dense: lambda x, m: functional.linear(x, m.W.T, m.b),
    layers.Dropout: lambda x, m: x,  # in training its mask comes first, see Twin
    layers.Embedding: _embedding,
    layers.GELU: lambda x, m: functional.gelu(x, approximate="none" if m.exact else "tanh"),
    layers.Flatten: lambda x, m: x.reshape(x.shape[0], math.prod(x.shape[1:])),
    layers.GlobalAveragePool2D: lambda x, m: x.mean((2, 3)),
    layers.LastStep: lambda x, m: x[:, -1],
    layers.LayerNorm: lambda x, m: functional.layer_norm(
        x, m.gamma.shape, m.gamma, m.beta, m.epsilon
    ),
    layers.MaxPool2D: lambda x, m: functional.max_pool2d(x, *_windows(m)),
    layers.OneHot: _one_hot,
    layers.Projection: lambda x, m: x @ m.W,
    layers.RMSNorm: _rms_norm,
    layers.ReLU: lambda x, m: torch.relu(x),
    layers.SiLU: lambda x, m: functional.silu(x),
    layers.Sigmoid: lambda x, m: torch.sigmoid(x),
    layers.Softmax: lambda x, m: torch.softmax(x, -1),
    layers.SwiGLU: lambda x, m: (functional.silu(x @ m.W) * (x @ m.V)) @ m.W2,
    layers.Tanh: lambda x, m: torch.tanh(x),
    **OVER_STEPS,
    **memory.TWINS,
}
"""What a layer computes of its input x. m has its parameters under the symbols of its equation, its
settings by name, and says whether it is `training`. Those in OVER_STEPS have a state, too,
and those in memory.TWINS a memory."""


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
        self.sizes = layer.sizes
        if isinstance(layer, layers.OneHot):
            self.dtype = getattr(torch, str(layer.dtype))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y: Tensor = self.function(x if mask is None else x * mask, self)
        return y


class OverSteps(Twin):
    """A layer that is told which steps are real and which state to start from, and gives its final
    state beside its output."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.layer = layer
        for w in self.parameters():
            # In memory the other way round, as PyTorch's recurrent kernels read it.
            if w.ndim == 2 and type(layer) in recurrent.TWINS:
                w.data = w.data.T.contiguous().T
        for inner in getattr(layer, "directions", {}).values():
            twin_of(inner, TWINS, "layer", "layers.TWINS")

    def forward(  # type: ignore[override]  # a sequence has more to it
        self, x: Tensor, real: Tensor | None = None, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        answer: tuple[Tensor, Tensor | None] = self.function(x, self, real, state)
        return answer


class LooksBack(Twin):
    """A layer that looks at a memory."""

    def forward(  # type: ignore[override]  # a memory beside the input
        self, x: Tensor, real: Tensor | None, memory: Memory
    ) -> Tensor:
        y: Tensor = self.function(x, self, real, memory)
        return y


class Flow(NamedTuple):
    """What goes on from layer to layer."""

    x: Tensor
    real: Tensor | None = None
    """Where x began as ids, which of them are no padding; None where all are."""
    memory: Memory | None = None
    """What an encoder has said."""


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
            self.add_module(name, _twin(layer))

    def forward(
        self,
        x: Tensor,
        masks: Mapping[str, Tensor],
        real: Tensor | None = None,
        states: Mapping[str, Tensor] = NONE,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The output, and the final states of layers over steps by their names.

        masks   dropout's, by the names of the layers
        real    where x is ids, which of them are no padding; None where all are
        states  that layers start from, where it is not from the beginning
        """
        flow, finals = self.passed(Flow(x, real), masks, states)
        return flow.x, finals

    def passed(
        self, flow: Flow, masks: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> tuple[Flow, dict[str, Tensor]]:
        """What goes on behind the last of these layers, and their final states."""
        finals: dict[str, Tensor] = {}
        for name, twin in self.named_children():
            flow, own = _through(twin, name, flow, masks, states)
            finals |= own
        return flow, finals

    def activations(self, x: Tensor, real: Tensor | None = None) -> dict[str, Tensor]:
        """The output of each layer by its name."""
        flow, outputs = Flow(x, real), {}
        for name, twin in self.named_children():
            flow, _ = _through(twin, name, flow, NONE, NONE)
            outputs[name] = flow.x
        return outputs


def _through(
    twin: nn.Module,
    name: str,
    flow: Flow,
    masks: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
) -> tuple[Flow, dict[str, Tensor]]:
    """What goes on behind a layer, and the final states that it leaves, by their names from here
    on."""
    if isinstance(twin, Network):
        inside = within(name, masks) or {}, within(name, states) or {}
        flow, inner = twin.passed(flow, *inside)
        return flow, {f"{name}.{key}": final for key, final in inner.items()}
    if isinstance(twin, OverSteps):
        y, final = twin(flow.x, flow.real, states.get(name))
        return flow._replace(x=y), {} if final is None else {name: final}
    if isinstance(twin, LooksBack):
        return flow._replace(x=twin(flow.x, flow.real, flow.memory)), {}
    return flow._replace(x=twin(flow.x, masks.get(name))), {}


class Residual(Network):
    """y = x + f(x), where f is a network."""

    def passed(
        self, flow: Flow, masks: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> tuple[Flow, dict[str, Tensor]]:
        after, finals = super().passed(flow, masks, states)
        return flow._replace(x=flow.x + after.x), finals


class Concatenation(Network):
    """y = (x, f(x)), where f is a network."""

    def passed(
        self, flow: Flow, masks: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> tuple[Flow, dict[str, Tensor]]:
        after, finals = super().passed(flow, masks, states)
        return flow._replace(x=torch.cat((flow.x, after.x), -1)), finals


class Encoder(Network):
    """m = f(source), y = target, where f is a network."""

    def passed(
        self, flow: Flow, masks: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> tuple[Flow, dict[str, Tensor]]:
        (source, target), real = flow.x.unbind(1), flow.real
        of_source, of_target = (None, None) if real is None else real.unbind(1)
        if "memory" in states:
            state = states["memory"]
            memory = Memory(state[..., :-1], state[..., -1] != 0)
        else:
            after, _ = super().passed(Flow(source, of_source), masks, NONE)
            memory = Memory(after.x, of_source)
        m, seen = memory
        flags = m.new_ones(m.shape[:2]) if seen is None else seen.to(m.dtype)
        state = torch.cat((m, flags[..., None]), 2)
        return Flow(target, of_target, memory), {"memory": state}


BLOCKS: dict[type[Layer], type[Network]] = {
    layers.Concatenation: Concatenation,
    layers.Encoder: Encoder,
    layers.Residual: Residual,
}
"""Layers that are made of others."""


def _twin(layer: Layer) -> nn.Module:
    if type(layer) in BLOCKS:
        return BLOCKS[type(layer)](layer)  # type: ignore[arg-type]
    if type(layer) in OVER_STEPS:
        return OverSteps(layer)
    return LooksBack(layer) if type(layer) in memory.TWINS else Twin(layer)
