"""Recurrent layers in PyTorch: its own kernels for a whole sequence where they compute the same
equations, and a loop over time where they do not.

A kernel reads a sequence without padding: h[batch, time, hidden] and the final state of
x[batch, time, in] and a state, with the parameters of m. Gates are in PyTorch's order, i, f, g, o
and r, z, n; weights are the other way round; and of its two biases for every gate the second is 0,
but for the n of a GRU.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from byhand import layers
from byhand.layers import Layer

Kernel = Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor]]


def _rnn(x: Tensor, state: Tensor, m: Any) -> tuple[Tensor, Tensor]:
    h, last = torch.rnn_tanh(x, state[None], _weights(m, torch.zeros_like(m.b)), **_one_layer())
    return h, last[0]


def _gru(x: Tensor, state: Tensor, m: Any) -> tuple[Tensor, Tensor]:
    if not m.reset_after:
        return _gru_reset_before(x, state, m)
    second = torch.cat((m.bn.new_zeros(2 * len(m.bn)), m.bn))
    h, last = torch.gru(x, state[None], _weights(m, second), **_one_layer())
    return h, last[0]


def _gru_reset_before(x: Tensor, h: Tensor, m: Any) -> tuple[Tensor, Tensor]:
    """The published GRU, which PyTorch does not have."""
    parts = 2 * len(m.bn), len(m.bn)
    W_rz, W_n = m.Wh.split(parts, 1)
    steps = []
    for u in (x @ m.Wx + m.b).unbind(1):
        u_rz, u_n = u.split(parts, 1)
        r, z = torch.sigmoid(u_rz + h @ W_rz).chunk(2, 1)
        n = torch.tanh(u_n + (r * h) @ W_n + m.bn)
        h = (1 - z) * n + z * h
        steps.append(h)
    return torch.stack(steps, 1), h


def _lstm(x: Tensor, state: Tensor, m: Any) -> tuple[Tensor, Tensor]:
    weights = _weights(m, torch.zeros_like(m.b))
    h, last_h, last_c = torch.lstm(x, (state[:1], state[1:]), weights, **_one_layer())
    return h, torch.cat((last_h, last_c))


def _weights(m: Any, second_bias: Tensor) -> list[Tensor]:
    return [m.Wx.T, m.Wh.T, m.b, second_bias]


def _one_layer() -> dict[str, Any]:
    return {
        "has_biases": True,
        "num_layers": 1,
        "dropout": 0.0,
        # cuDNN keeps what the derivative needs in training only, and gradients are asked for in
        # evaluation, too.
        "train": torch.is_grad_enabled(),
        "bidirectional": False,
        "batch_first": True,
    }


# torch.compile cannot take in the kernel that the CPU has in float32, and unrolls all steps of the
# others.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def read(
    kernel: Kernel, x: Tensor, m: Any, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What a recurrent layer computes: h and the final state, from zeros where no state is given.

    real[batch, time]   which steps are no padding; None where all are
    """
    if state is None:
        state = m.Wh.new_zeros(m.layer.state_shape(len(x)))
    if real is None:
        return kernel(x, state, m)
    steps = []
    for t in range(x.shape[1]):
        here = real[:, t, None]
        h, new = kernel(x[:, t : t + 1], state, m)
        state = torch.where(here, new, state)
        steps.append(torch.where(here, h[:, 0], 0))
    return torch.stack(steps, 1), state


def both_directions(
    x: Tensor, m: Any, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, None]:
    """Bidirectional, which hands on no state."""
    forward, reverse = (of_direction(m, name) for name in m.layer.directions)
    ahead, _ = TWINS[type(forward.layer)](x, forward, real, None)
    back, _ = TWINS[type(reverse.layer)](_turned(x, real), reverse, real, None)
    return torch.cat((ahead, _turned(back, real)), 2), None


def of_direction(m: Any, direction: str) -> Any:
    """What m has of the layer of one direction, as that layer itself has it."""
    layer = m.layer.directions[direction]
    own = (*layer.parameter_names, *layer.setting_names)
    inner = {symbol: getattr(m, f"{direction}_{symbol}") for symbol in own}
    return SimpleNamespace(layer=layer, **inner)


def _turned(x: Tensor, real: Tensor | None) -> Tensor:
    """x with the real steps of each sequence turned round, and the others where they are."""
    if real is None:
        return x.flip(1)
    steps = torch.arange(real.shape[1], device=real.device)
    places = (~real).sort(stable=True).indices  # those of the real steps first, in their order
    back = real.sum(1, keepdim=True) - real.cumsum(1)
    order = torch.where(real, places.gather(1, back.clamp(min=0)), steps)
    return x.take_along_dim(order[..., None], 1)


def _of(kernel: Kernel) -> Callable[..., Any]:
    return lambda x, m, real, state: read(kernel, x, m, real, state)


TWINS: dict[type[Layer], Callable[..., Any]] = {
    layers.Bidirectional: both_directions,
    layers.GRU: _of(_gru),
    layers.LSTM: _of(_lstm),
    layers.RNN: _of(_rnn),
}
"""What a recurrent layer computes of its input x: h and the final state, given which steps are real
and the state to start from, or None. m.layer is the layer itself."""
