"""The kinds of recurrent layer, for the tests that hold for all of them, and PyTorch's twins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from byhand.initializers import StandardNormal
from byhand.layers.gru import GRU
from byhand.layers.gru_cell import GRUCell
from byhand.layers.lstm import LSTM
from byhand.layers.lstm_cell import LSTMCell
from byhand.layers.recurrent import Cell, RecurrentLayer
from byhand.layers.rnn import RNN
from byhand.layers.rnn_cell import RNNCell

Array = NDArray[Any]


@dataclass(frozen=True)
class Kind:
    name: str
    layer: type[RecurrentLayer]
    cell: type[Cell]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def make(self, n_in: int, hidden: int, seed: Any = 0, dtype: Any = np.float64) -> Any:
        """A layer whose parameters are all drawn, biases too."""
        layer = self.layer(n_in, hidden, biases=StandardNormal(), **self.options)
        return layer.initialize(np.random.default_rng(seed), dtype)

    def cell_of(self, layer: Any) -> Any:
        """The cell with the layer's own arrays as parameters."""
        cell = self.cell(layer.sizes["in"], layer.sizes["hidden"], **self.options)
        for symbol, value in layer.parameters.items():
            setattr(cell, symbol, value)
        return cell


KINDS = (
    Kind("RNN", RNN, RNNCell),
    Kind("GRU after", GRU, GRUCell),
    Kind("GRU before", GRU, GRUCell, {"reset": "before"}),
    Kind("LSTM", LSTM, LSTMCell),
)


def drawn(layer: Any, batch: int, time: int, seed: int = 0) -> tuple[Array, Array]:
    """x and a state for this layer."""
    rng = np.random.default_rng([seed, batch, time])
    x = rng.standard_normal((batch, time, layer.sizes["in"]))
    state = 0.5 * rng.standard_normal(layer.state_shape(batch))
    return x.astype(layer.Wx.dtype), state.astype(layer.Wx.dtype)


def in_pytorch(layer: RecurrentLayer) -> torch.nn.RNNBase:
    """PyTorch's layer with the same parameters.

    It has two biases for every gate, which are added up; ours is the first of them, and the second
    is 0, but for the n of a GRU.
    """
    kind = {"RNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}[type(layer).__name__]
    hidden = layer.sizes["hidden"]
    module = kind(layer.sizes["in"], hidden, batch_first=True).double()
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.tensor(layer.Wx.T))
        module.weight_hh_l0.copy_(torch.tensor(layer.Wh.T))
        module.bias_ih_l0.copy_(torch.tensor(layer.b))
        module.bias_hh_l0.zero_()
        if isinstance(layer, GRU):
            module.bias_hh_l0[2 * hidden :] = torch.tensor(layer.bn)
    return module


def gradients_in_pytorch(module: torch.nn.RNNBase) -> dict[str, Array]:
    """Those of a module's parameters, under our names and in our shapes."""
    found = {
        "Wx": module.weight_ih_l0.grad.T.numpy(),
        "Wh": module.weight_hh_l0.grad.T.numpy(),
        "b": module.bias_ih_l0.grad.numpy(),
    }
    if isinstance(module, torch.nn.GRU):
        found["bn"] = module.bias_hh_l0.grad[2 * module.hidden_size :].numpy()
    return found


def as_tensors(module: torch.nn.RNNBase, state: Array) -> tuple[torch.Tensor, Any]:
    """A state as a leaf, and as the module takes it: with an axis for its one layer."""
    leaf = torch.tensor(state, requires_grad=True)
    taken = (leaf[0:1], leaf[1:2]) if isinstance(module, torch.nn.LSTM) else leaf[None]
    return leaf, taken


def as_state(module: torch.nn.RNNBase, final: Any) -> torch.Tensor:
    """What a module returns as its state, in our shape."""
    return torch.cat(final) if isinstance(module, torch.nn.LSTM) else final[0]
