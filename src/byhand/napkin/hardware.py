"""Devices: memory, bandwidth and dense rates, each with the page that says so.

A field that no page states is left out, and what needs it is left out with it. Rates are dense:
a datasheet's figure with sparsity is twice as large. Prices are the user's to give.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from byhand.errors import InputError, nearest
from byhand.napkin.quantity import Quantity, given
from byhand.napkin.units import parse_bytes

RATES = ("f32", "f16", "bf16", "f8")
DIGITS = tuple("0123456789")
MAKERS = frozenset({"nvidia", "geforce", "tesla", "amd", "apple", "google", "instinct", ""})
SHORT = {
    "a100": "A100-SXM-80GB",
    "40gb-a100": "A100-SXM-40GB",
    "80gb-a100": "A100-SXM-80GB",
    "a100-sxm": "A100-SXM-80GB",
    "a10": "A10",
    "h100": "H100-SXM",
    "80gb-h100": "H100-SXM",
    "v100": "V100-SXM-16GB",
}
"""What people call a device, its words in order, and which one they mostly mean."""


@dataclass(frozen=True)
class Device:
    """A device, or only an amount of memory.

    memory      M: what programs get where that is known, or else the nominal size. A nominal GB
                can mean GiB, so it is an interval
    bandwidth   β in bytes per second, None where unknown
    rates       F in dense FLOP per second by dtype
    measured    the fastest matrix product that anybody measured on it, in FLOP per second
    question    what was unclear about its size
    size        its memory as its datasheet writes it, in small letters
    """

    name: str
    memory: Quantity
    bandwidth: Quantity | None = None
    rates: tuple[tuple[str, Quantity], ...] = ()
    measured: float | None = None
    question: str = ""
    size: str = ""

    def rate(self, dtype: str | None) -> Quantity | None:
        """F for this dtype, or for bf16 and else f16 where it is None; None for an amount of memory
        or a device without any known rate.

        Raises      InputError where the device is known to have no such rate.
        """
        rates = dict(self.rates)
        if dtype is None:
            return rates.get("bf16", rates.get("f16"))
        if rates and dtype not in rates:
            raise InputError(
                f"--dtype: no rate is known of {self.name} for {dtype}; it has {', '.join(rates)}"
            )
        return rates.get(dtype)


def device_of(text: str) -> Device:
    """A device by its name, or any amount of memory: "A100", "NVIDIA H100 SXM", "24GiB".

    Raises      InputError for an unknown device, with the nearest name, and where several are meant
    """
    asked = _words(text)
    asked = _words(SHORT.get("-".join(sorted(asked)), text))
    found = [
        device
        for device in devices().values()
        if asked - {device.size} and asked <= _words(device.name) | {device.size}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(device.name for device in found)
        raise InputError(f"device {text!r} can mean {several}; name one of them")
    if text.strip().startswith(DIGITS):
        low, value, high, question = parse_bytes(text, "--gpu")
        memory = given("M_gpu", value, "B", "memory of a device", low=low, high=high)
        return Device(text, memory, question=question)
    names = {name.lower(): name for name in devices()}
    advice = nearest(text.lower(), names, f"there is {', '.join(names.values())}")
    for lower, proper in names.items():
        advice = advice.replace(f" {lower}?", f" {proper}?")
    end = " Its" if advice.endswith("?") else "; its"
    raise InputError(f"unknown device {text!r}; {advice}{end} memory will do as well, as in 24GiB")


def _words(name: str) -> set[str]:
    """The words of a device's name, without its maker's: RTX4090 is RTX 4090, SXM5 is SXM."""
    spaced = re.sub(r"\b(rtx|tpu)(?=[0-9v])", r"\1 ", name.lower())
    return set(re.split("[^a-z0-9]+", re.sub(r"\bsxm[0-9]\b", "sxm", spaced))) - MAKERS


@cache
def devices() -> dict[str, Device]:
    """All known devices by name."""
    table = json.loads(files(__package__).joinpath("hardware.json").read_text("utf-8"))
    return {
        name: _device(name, fields, table["sources"]) for name, fields in table["devices"].items()
    }


def _device(name: str, fields: dict[str, Any], sources: dict[str, str]) -> Device:
    def fact(field: str, symbol: str, of: str, meaning: str) -> Quantity | None:
        if field not in fields:
            return None
        value, source = fields[field]
        return given(symbol, int(value), of, f"{meaning} of {name}", source=sources[source])

    rates = ((each, fact(each, "F", "FLOP/s", f"dense {each} rate")) for each in RATES)
    return Device(
        name,
        fact("usable", "M_gpu", "B", "memory for programs") or _nominal(name, fields, sources),
        fact("bandwidth", "β", "B/s", "memory bandwidth"),
        tuple((each, rate) for each, rate in rates if rate is not None),
        fields["measured"][0] if "measured" in fields else None,
        size=fields["memory"][0].lower().replace("ib", "b"),
    )


def _nominal(name: str, fields: dict[str, Any], sources: dict[str, str]) -> Quantity:
    text, source = fields["memory"]
    low, value, high, _ = parse_bytes(text, name)
    return given(
        "M_gpu",
        value,
        "B",
        f"nominal memory of {name}",
        source=sources[source],
        low=low,
        high=high,
    )
