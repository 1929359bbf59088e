"""How long inference takes on a device: each pass waits for the slower of two resources.

    decode      t = max(2·N_a·B / F, W / β) + B·T·κ / β     one step: a token of every sequence
    prefill     t = max((2·N_a·B·T + 2·A_h·B·T²) / F, W / β), 4·A_h where attention looks ahead

F is the dense rate and β the bandwidth of the n devices together, times the share of them that the
engine reaches: all of it in theory. Of a mixture of experts, a step of B tokens reads the dense
part and, of E experts of which each token picks k, 1 − (1 − k/E)^B.

Source      Pope et al., arXiv 2211.05102, section 2
"""

from __future__ import annotations

from byhand.napkin.engines import Engine
from byhand.napkin.hardware import Device
from byhand.napkin.quantity import (
    Expression,
    Quantity,
    define,
    given,
    largest,
    per,
)
from byhand.napkin.symbols import Symbols

POPE = "Pope et al., arXiv 2211.05102"
REACHED = "assumed; measure it on your engine"


class Speed:
    """The times of one model on one device.

    Raises      InputError where the device has no rate for the dtype.
    """

    def __init__(
        self, s: Symbols, engine: Engine, device: Device, dtype: str | None, w: Quantity
    ) -> None:
        self.s = s
        together = s.n / per("device", 1)
        self.bandwidth = device.bandwidth and self._reached(
            device.bandwidth, together, engine.bandwidth, "η_β"
        )
        rate = device.rate(dtype)
        self.rate = rate and self._reached(rate, together, engine.flops, "η_F")
        share = self._share_read()
        self.read = w if share is None else w * share

    def decode(self, kv: Quantity | None) -> Quantity | None:
        """The seconds of one step, after which every sequence has one more token."""
        if self.bandwidth is None:
            return None
        formula: Expression = self.read / self.bandwidth
        if self.rate is not None:
            formula = largest(self._compute() / self.rate, formula)
        if kv is not None:
            formula = formula + kv / self.bandwidth
        return define(
            "decode_seconds_per_token",
            "t_decode",
            formula,
            "s",
            "one step: each sequence has its next token",
            kind="modelled",
            source=POPE,
        )

    def prefill(self) -> Quantity | None:
        """The seconds until the prompts are read."""
        if self.rate is None or self.bandwidth is None or not self.s.knows_shape:
            return None
        s = self.s
        matrices = per("FLOP/parameter/token", 2) * s.N_a * s.B * s.T
        # Scores and values, 2 FLOP each; before the end of a causal one, on average half of T.
        attention = (
            per("FLOP/token/token", 2 if s.model.causal else 4) * s.heads_width * s.B * s.T**2
        )
        return define(
            "prefill_seconds",
            "t_prefill",
            largest((matrices + attention) / self.rate, self.read / self.bandwidth),
            "s",
            "prefill of all sequences",
            kind="modelled",
            source=POPE,
        )

    def limit(self) -> str:
        """What a step of decoding waits for."""
        if self.rate is None or self.bandwidth is None:
            return "memory bandwidth"
        compute = (self._compute() / self.rate).evaluate({})
        read = (self.read / self.bandwidth).evaluate({})
        return "compute" if compute.value > read.value else "memory bandwidth"

    def _compute(self) -> Expression:
        """The operations of a step: each weight multiplies and adds for each sequence."""
        return per("FLOP/parameter", 2) * self.s.N_a * self.s.B

    def _reached(
        self, each: Quantity, together: Expression, share: tuple[float, float, float], symbol: str
    ) -> Expression:
        """A resource of all devices, as far as the engine reaches it."""
        resource: Expression = each if self.s.n.value == 1 else each * together
        low, value, high = share
        if low == high == 1:
            return resource
        meaning = f"share of {each.symbol} that is reached"
        reached = given(symbol, value, meaning=meaning, source=REACHED, low=low, high=high)
        return resource * reached

    def _share_read(self) -> Quantity | None:
        """The share of the weights that a step reads, where there are experts; else all."""
        model, batch = self.s.model, int(self.s.B.value)
        if not model.experts or not model.experts_used:
            return None
        experts = sum(row.parameters for row in model.tensors if row.active != 1)
        idle = (1 - model.experts_used / model.experts) ** batch
        share = 1 - experts / model.parameters * idle
        meaning = "share of the weights that a step reads, as experts that nobody asks are not"
        return given("ρ", share, meaning=meaning, kind="modelled")
