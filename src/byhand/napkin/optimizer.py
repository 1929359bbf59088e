"""What training keeps for every parameter: weights, gradients, and the optimizer's state.

    mixed precision with Adam   2 + 2 + (4 + 4 + 4) = 16 bytes: a float32 copy, momentum, variance
    float32 with Adam           4 + 4 + (4 + 4) = 16 bytes
    ZeRO over n devices         stage 1 splits the state, 2 also the gradients, 3 also the weights

Source      Rajbhandari et al., arXiv 1910.02054, sections 3 and 5; 8 bits: arXiv 2110.02861
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from byhand.errors import InputError
from byhand.napkin.checks import one_of
from byhand.napkin.precision import DTYPES
from byhand.napkin.quantity import Expression, Quantity, define, given, per
from byhand.napkin.symbols import Symbols

ZERO = "ZeRO, arXiv 1910.02054"
OPTIMIZERS: dict[str, Fraction] = {
    "sgd": Fraction(0),
    "momentum": Fraction(4),
    "adam": Fraction(8),
    "adamw": Fraction(8),
    # Two states of 8 bits, and a float32 scale of each per block of 2,048.
    "adamw8bit": 2 * (1 + Fraction(4, 2048)),
}
"""Bytes of state per parameter, without a copy of the weights."""


@dataclass(frozen=True)
class State:
    """W, G and O of one device.

    own, shared     what each device has whole, and what all devices have once between them
    """

    weights: Quantity
    gradients: Quantity
    optimizer: Quantity
    own: Sequence[Expression]
    shared: Sequence[Expression]

    @property
    def parts(self) -> list[Quantity]:
        """The three of them."""
        return [self.weights, self.gradients, self.optimizer]


def training_dtype(dtype: str) -> str:
    """The dtype, if one can train in it; InputError otherwise."""
    if dtype == "f8":
        raise InputError("--dtype: training keeps weights in f32, f16 or bf16, found f8")
    return dtype


def state(
    s: Symbols,
    frozen: Quantity | None,
    trained: Quantity,
    dtype: str,
    optimizer: str,
    zero: int,
) -> State:
    """The state of one device.

    frozen      W of what isn't trained, None where everything is
    trained     the number of parameters that are
    Raises      InputError for an unknown optimizer or stage.
    """
    extra = OPTIMIZERS[one_of("optimizer", optimizer, OPTIMIZERS)]
    if zero not in (0, 1, 2, 3):
        raise InputError(f"--zero: expected a stage from 0 to 3, found {zero}")
    # Adapters are few, and are kept in float32.
    each = 4 if frozen is not None else DTYPES[dtype]
    copy = 4 if each == 2 else 0
    b = given("b_t", each, "B/parameter", "bytes of a trained weight and of its gradient")
    o = given(
        "o",
        copy + extra,
        "B/parameter",
        f"bytes of {optimizer}'s state{' with a float32 copy of the weight' if copy else ''}",
    )
    whole = (
        ("weight_bytes", "W", trained * b if frozen is None else frozen + trained * b, "weights"),
        ("gradient_bytes", "G", trained * b, "gradients"),
        ("optimizer_bytes", "O", trained * o, "optimizer state"),
    )
    parts: list[Quantity] = []
    # Stage 1 shares the last of the three, stage 3 all of them.
    for k, (name, symbol, formula, meaning) in enumerate(whole):
        split = 3 - zero <= k and s.n.value != 1
        share = per("device", 1) * formula / s.n if split else formula
        text = f"{meaning} on each device" if split else meaning
        parts.append(define(name, symbol, share, "B", text, source=ZERO if split else ""))
    formulas = tuple(formula for _, _, formula, _ in whole)
    w, g, state_of_it = parts
    return State(w, g, state_of_it, formulas[: 3 - zero], formulas[3 - zero :])
