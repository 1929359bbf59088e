"""Operations, time and money of a training.

    C = 6·N_a·D             each weight: 2 forward, 2 for the gradient of its input, 2 for its own
    C = 4·N_a·D + 6·N_l·D   frozen weights need no gradient of their own, adapters do
    t = C / (n·F·MFU)       H = n·t         cost = price·H

Source      Kaplan et al., arXiv 2001.08361; MFU: PaLM, arXiv 2204.02311
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from byhand.errors import InputError
from byhand.napkin.checks import positive
from byhand.napkin.compute import KAPLAN, PER_WEIGHT, training_flops_per_token
from byhand.napkin.hardware import Device
from byhand.napkin.quantity import Expression, Quantity, define, given, per
from byhand.napkin.symbols import Symbols

if TYPE_CHECKING:
    from byhand.napkin.training import Plan

FROZEN = "6·N·D without the 2·N of gradients that frozen weights do not have"
MFU = (0.3, 0.4, 0.5)
MFU_SOURCE = "large trainings report 0.21 to 0.46, PaLM, arXiv 2204.02311, table 3"


@dataclass
class TrainingTime:
    """What was found out, what limits, and what there is to say."""

    results: list[Quantity] = field(default_factory=list)
    limits: str = ""
    notes: list[str] = field(default_factory=list)


def training_time(
    s: Symbols, plan: Plan, dtype: str, device: Device | None, adapters: Quantity | None
) -> TrainingTime:
    """As far as tokens, device and price are known.

    Raises      InputError for shares above 1, prices and hours that are none, and for questions
                that lack what they need.
    """
    _check(plan, device)
    found = TrainingTime([training_flops_per_token(s) if adapters is None else _adapting(s)])
    if plan.tokens is None:
        return found
    tokens = given("D", plan.tokens, "token", "tokens of the training")
    flops, source = per(PER_WEIGHT, 6) * s.N_a * tokens, KAPLAN
    if adapters is not None:
        source = FROZEN
        flops = per(PER_WEIGHT, 4) * s.N_a * tokens + per(PER_WEIGHT, 6) * adapters * tokens
    c = define(
        "training_flops", "C", flops, "FLOP", "operations of the training", kind="modelled",
        source=source,
    )  # fmt: skip
    found.results.append(c)
    rate = device.rate(dtype) if device else None
    if rate is None or device is None:
        return found
    hours, mfu = _hours(s, plan, c, rate, found)
    found.results += [hours, mfu]
    if plan.price is not None:
        price = given("p", plan.price, "$/device/h", "price of a device for an hour, as given")
        found.results.append(define("cost", "cost", price * hours, "$", "money"))
    found.limits = f"time: {100 * float(mfu.value):.1f} % of the {dtype} rate of {device.name}"
    if device.measured and float(mfu.low) * float(rate.value) > device.measured:
        found.notes.append(
            f"mfu: {100 * float(mfu.low):.1f} % is more than any matrix product was measured to "
            f"reach on {device.name}, {100 * device.measured / float(rate.value):.1f} %"
        )
    return found


def _hours(
    s: Symbols, plan: Plan, c: Quantity, rate: Quantity, found: TrainingTime
) -> tuple[Quantity, Quantity]:
    """H and MFU: one is given, the other follows."""
    if plan.device_hours is not None:
        hours = given("H", plan.device_hours, "device·h", "device-hours, as given",
                      name="device_hours")  # fmt: skip
        share = c * per("device", 1) / (hours * per("s/h", 3600) * rate)
        mfu = define("mfu", "MFU", share, "1", "model FLOPs utilisation")
        seconds: Expression = hours * per("s/h", 3600) / s.n
    else:
        mfu = _mfu(plan)
        seconds = c * per("device", 1) / (s.n * rate * mfu)
    t = define("training_seconds", "t", seconds, "s", "time of the training")
    found.results.append(t)
    if plan.device_hours is None:
        hours = define("device_hours", "H", s.n * t / per("s/h", 3600), "device·h", "device-hours")
    return hours, mfu


def _mfu(plan: Plan) -> Quantity:
    meaning = "model FLOPs utilisation"
    if plan.mfu is not None:
        return given("MFU", plan.mfu, meaning=f"{meaning}, as given", name="mfu")
    low, value, high = MFU
    return given("MFU", value, meaning=meaning, name="mfu", source=MFU_SOURCE, low=low, high=high)


def _adapting(s: Symbols) -> Quantity:
    return define(
        "flops_per_token",
        "c",
        per(PER_WEIGHT, 4) * s.N_a,
        "FLOP/token",
        "operations per token beside frozen weights, without the adapters' own",
        kind="modelled",
        source=FROZEN,
    )


def _check(plan: Plan, device: Device | None) -> None:
    if plan.mfu is not None and not 0 < plan.mfu <= 1:
        raise InputError(f"--mfu: expected a share above 0 and up to 1, found {plan.mfu:g}")
    if plan.mfu is not None and plan.device_hours is not None:
        raise InputError("--device-hours: with hours MFU is the answer; leave out --mfu")
    for name, value in (("--price", plan.price), ("--device-hours", plan.device_hours)):
        if value is not None:
            positive(name, value)
    for name, asked in (
        ("--mfu", plan.mfu),
        ("--device-hours", plan.device_hours),
        ("--price", plan.price),
    ):
        if asked is not None and (plan.tokens is None or device is None or not device.rates):
            raise InputError(
                f"{name}: it takes --tokens and a device with a known rate; give --tokens, and "
                "--gpu by name"
            )
