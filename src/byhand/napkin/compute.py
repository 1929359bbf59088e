"""How many operations a token takes, and so a whole training.

    forward             2·N_a FLOP per token
    training            C = 6·N_a·D                         Kaplan et al., arXiv 2001.08361
    model FLOPs         6·N_a + 12·A_h·T per token          PaLM, arXiv 2204.02311, appendix B
    utilisation         MFU = C / (device-time · F)

A_h is the width of all heads over all layers, L·H·Q in PaLM's letters.
"""

from __future__ import annotations

from byhand.napkin.quantity import Expression, Quantity, define, per
from byhand.napkin.symbols import Symbols

KAPLAN = "6·N·D, Kaplan et al., arXiv 2001.08361"
PALM = "PaLM, arXiv 2204.02311, appendix B"
PER_WEIGHT = "FLOP/parameter/token"


def forward_flops(s: Symbols) -> Quantity:
    """The operations of one generated token: each weight multiplies and adds."""
    return define(
        "flops_per_token",
        "c",
        per(PER_WEIGHT, 2) * s.N_a,
        "FLOP/token",
        "operations per token",
        kind="modelled",
        source=KAPLAN,
    )


def training_flops_per_token(s: Symbols) -> Quantity:
    """The model's operations per token in forward and backward, with those of attention."""
    formula: Expression = per(PER_WEIGHT, 6) * s.N_a
    if s.knows_shape:
        formula = formula + per("FLOP/token/token", 12) * s.heads_width * s.T
    return define(
        "flops_per_token",
        "c",
        formula,
        "FLOP/token",
        "the model's operations per token, forward and backward",
        kind="modelled",
        source=PALM,
    )


def utilisation(
    flops_per_token: Quantity, tokens_per_second: Quantity, devices: Quantity, rate: Quantity
) -> Quantity:
    """MFU: the model's operations that a measured throughput does, as a share of the peak."""
    return define(
        "mfu",
        "MFU",
        flops_per_token * tokens_per_second * per("device", 1) / (devices * rate),
        "1",
        "model FLOPs utilisation",
        source=PALM,
    )
