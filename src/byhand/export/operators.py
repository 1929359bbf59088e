"""Recurrent layers as the operators that ONNX has for them: RNN, LSTM and GRU in both variants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from byhand import layers
from byhand.engines.torch.layers import OverSteps
from byhand.engines.torch.recurrent import of_direction
from byhand.layers import Layer

GATES: dict[type[Layer], tuple[str, tuple[int, ...]]] = {
    layers.RNN: ("RNN", (0,)),
    layers.GRU: ("GRU", (1, 0, 2)),
    layers.LSTM: ("LSTM", (0, 3, 1, 2)),
}
"""The operator, and which of our gates it has in which place: z, r, n and i, o, f, g."""


class Operator(nn.Module):
    """h[batch, time, hidden] and the final state of x[batch, time, in] and a state, or zeros.

    direction is forward or reverse. m has the parameters, m.layer says what it is.
    Source      ONNX's operators RNN, GRU and LSTM. They keep weights as PyTorch does and have two
                biases that are added up. Of the steps after the end of a sequence they make zeros,
                and in reverse they begin before these.
    """

    W: Tensor
    R: Tensor
    B: Tensor

    def __init__(self, m: Any, direction: str) -> None:
        super().__init__()
        self.kind, order = GATES[type(m.layer)]
        self.hidden = len(m.Wh)
        self.attributes: dict[str, Any] = {"hidden_size": self.hidden, "direction": direction}
        second = torch.zeros_like(m.b)
        if isinstance(m.layer, layers.GRU):
            second[2 * self.hidden :] = m.bn
            self.attributes["linear_before_reset"] = int(m.reset_after)

        def ordered(of_all_gates: Tensor) -> Tensor:
            gates = of_all_gates.chunk(len(order), -1)
            return torch.cat([gates[k] for k in order], -1)

        self.register_buffer("W", ordered(m.Wx).T[None].clone())
        self.register_buffer("R", ordered(m.Wh).T[None].clone())
        self.register_buffer("B", torch.cat((ordered(m.b), ordered(second)))[None])

    def forward(
        self, x: Tensor, lengths: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        batch, time, _ = x.shape
        parts = 2 if self.kind == "LSTM" else 1
        given = () if state is None else state.reshape(parts, 1, batch, self.hidden).unbind()
        h, *last = torch.onnx.ops.symbolic_multi_out(
            self.kind,
            (x.swapaxes(0, 1), self.W, self.R, self.B, lengths, *given),
            self.attributes,
            dtypes=[x.dtype] * (1 + parts),
            shapes=[(time, 1, batch, self.hidden), *[(1, batch, self.hidden)] * parts],
        )
        final = torch.cat(tuple(last)) if parts == 2 else last[0].squeeze(0)
        return h.squeeze(1).swapaxes(0, 1), final


class Operators(nn.Module):
    """A recurrent layer's function, with an operator for each direction. Padding is at the end of a
    sequence, which is all that ONNX knows of."""

    def __init__(self, twin: OverSteps) -> None:
        super().__init__()
        directions = {"forward": twin}
        if isinstance(twin.layer, layers.Bidirectional):
            directions = {name: of_direction(twin, name) for name in twin.layer.directions}
        with torch.no_grad():
            operators = [Operator(m, name) for name, m in directions.items()]
        self.directions = nn.ModuleList(operators)

    def forward(
        self, x: Tensor, m: Any, real: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        lengths = None if real is None else real.sum(1).to(torch.int32)
        answers = [read(x, lengths, state) for read in self.directions]
        if len(answers) == 1:
            return answers[0]  # type: ignore[no-any-return]
        return torch.cat([h for h, _ in answers], 2), None
