"""Bytes, FLOP, seconds, tokens, parameters, dollars, devices: their algebra and their texts.

A unit is written as a product: "B", "B/token", "FLOP/parameter/token", "1" for a plain number. Two
quantities can be added only if their units are the same, so a formula that forgets a factor fails
where it is written and not in the answer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from byhand.errors import InputError

Value = int | float | Fraction

BASES = ("B", "bit", "FLOP", "$", "device", "s", "h", "token", "parameter")
DECIMAL = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
BINARY = ((2**50, "Pi"), (2**40, "Ti"), (2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))
WORDS = {"k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
ABSURD = 10**21  # no model, context or data set of this size can be meant
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NUMBER = r"(?P<number>[0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+]?[0-9]+)?)"


@dataclass(frozen=True)
class Unit:
    """A product of powers of the bases, in their order."""

    powers: tuple[int, ...] = (0,) * len(BASES)

    def __mul__(self, other: Unit) -> Unit:
        return Unit(tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)))

    def __truediv__(self, other: Unit) -> Unit:
        return Unit(tuple(a - b for a, b in zip(self.powers, other.powers, strict=True)))

    def __str__(self) -> str:
        named = list(zip(BASES, self.powers, strict=True))
        above = [base for base, power in named for _ in range(power)]
        below = [f"/{base}" for base, power in named for _ in range(-power)]
        return "·".join(above or ["1"]) + "".join(below)


ONE = Unit()


def unit(text: str) -> Unit:
    """ "B/token" as a unit; the bases are `BASES`."""
    powers = [0] * len(BASES)
    for k, below in enumerate(text.split("/")):
        for base in below.split("·"):
            if base != "1":
                powers[BASES.index(base)] += -1 if k else 1
    return Unit(tuple(powers))


def show(value: Value, of: Unit = ONE) -> str:
    """A value for a person: whole as long as that reads well, bytes also as GB and GiB."""
    name = str(of)
    if name == "B":
        return " = ".join(dict.fromkeys((f"{plain(value)} B", *sizes(value))))
    if name == "s" and value >= 60:
        return f"{plain(value)} s = {_time(value)}"
    if name == "$":
        return f"${value:,.2f}"
    if name == "1":
        return plain(value)
    if value >= 10**6 and name in ("FLOP/s", "B/s"):
        return f"{_scaled(value, DECIMAL)}{name}"
    return f"{plain(value)} {_plural(name, value)}"


def plain(value: Value) -> str:
    """A number without its unit: 4,096, 6.7·10⁹, 0.0125."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = value.numerator
    if isinstance(value, int) and abs(value) < 10**15:
        return f"{value:,}"
    if value == 0:
        return "0"
    size = abs(float(value))
    if 1e-3 <= size < 1e15:
        digits = max(0, 3 - math.floor(math.log10(size)))
        text = f"{float(value):,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    exponent = math.floor(math.log10(size))
    mantissa = f"{float(value) / 10.0**exponent:.4g}"
    return f"{mantissa}·10{str(exponent).translate(SUPERSCRIPTS)}"


def sizes(value: Value) -> tuple[str, str]:
    """Bytes in both countings, so that nobody has to guess: 1.342 GB, 1.250 GiB."""
    return f"{_scaled(value, DECIMAL)}B", f"{_scaled(value, BINARY)}B"


def parse_bytes(text: str, what: str) -> tuple[int, int, int, str]:
    """A size such as 24GiB: floor, expected and ceiling in bytes, and what was questioned.

    Vendors write GB and often mean GiB, so GB is a floor and GiB the ceiling.

    Raises      InputError for anything that is no size.
    """
    match = re.fullmatch(NUMBER + r"\s*(?P<unit>[kmgtp]?i?b)", text.strip(), re.IGNORECASE)
    if not match:
        raise InputError(f"{what}: expected a size such as 24GiB or 80GB, found {text!r}")
    number = Fraction(match["number"].replace(",", "").replace("_", ""))
    prefix = match["unit"][:-1].lower()
    decimal = {name.lower(): factor for factor, name in DECIMAL}
    binary = {name.lower(): factor for factor, name in BINARY}
    if prefix in ("", *binary):
        exact = _sane(number * binary.get(prefix, 1), text, what)
        return exact, exact, exact, ""
    low = _sane(number * decimal[prefix], text, what)
    high = int(number * binary[f"{prefix}i"])
    name = match["unit"].upper()
    said = (
        f"{text} can mean {name} or {name[0]}iB: {low / 1e9:.4g} to {high / 1e9:.4g} GB; "
        f"write {name[0]}iB or the bytes to be exact"
    )
    return low, low, high, said


def parse_count(text: str, what: str) -> int:
    """A whole number such as 4096, 300B or 2T (thousand millions, millions of millions).

    Raises      InputError for anything else, and where it is below 1 or absurdly large.
    """
    match = re.fullmatch(NUMBER + r"\s*(?P<word>[kmbgt]?)", text.strip(), re.IGNORECASE)
    if not match:
        raise InputError(f"{what}: expected a number such as 4096, 300B or 2T, found {text!r}")
    number = Fraction(match["number"].replace(",", "").replace("_", ""))
    return _sane(number * WORDS.get(match["word"].lower(), 1), text, what)


def _sane(number: Fraction, text: str, what: str) -> int:
    if number < 1:
        raise InputError(f"{what}: expected at least 1, found {text!r}")
    if number > ABSURD:
        found = repr(text) if len(text) <= 40 else f"a number of {len(text)} characters"
        raise InputError(f"{what}: expected at most 10²¹, found {found}; look at its unit")
    return int(number)


def _scaled(value: Value, scale: tuple[tuple[int, str], ...]) -> str:
    for factor, prefix in scale:
        if value >= factor:
            return f"{float(value / factor):#.4g}".rstrip(".") + f" {prefix}"
    return f"{plain(value)} "


def _time(seconds: Value) -> str:
    for factor, name in ((86400 * 365.25, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * factor:
            return f"{plain(float(seconds) / factor)} {name}"
    return f"{plain(float(seconds) / 60)} min"


def _plural(name: str, value: Value) -> str:
    first, slash, rest = name.partition("/")
    many = first in ("token", "parameter", "device") and value != 1
    return f"{first}{'s' if many else ''}{slash}{rest}"
