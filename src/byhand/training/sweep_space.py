"""What a sweep draws from: `log(1e-3, 1)`, `choice(sgd, adam)`, or a value that stays as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from byhand.errors import InputError
from byhand.randomness import stream

FORMS = "log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH), choice(A,B,…) or a plain value"
_CALL = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)
_OPEN, _CLOSE = "[{(", ")}]"


@dataclass(frozen=True)
class Setting:
    """One key of a recipe and where its values come from.

    form        log, uniform, int, choice, or fixed
    arguments   the ends of the range, both included for int; the choices; or the one value; as they
                would stand after `--set KEY=`
    """

    key: str
    form: str
    arguments: tuple[str, ...]

    @property
    def varies(self) -> bool:
        return self.form != "fixed"

    def draw(self, random: np.random.Generator) -> str:
        """A value, as it would stand after `--set KEY=`."""
        if self.form == "fixed":
            return self.arguments[0]
        if self.form == "choice":
            return self.arguments[int(random.integers(len(self.arguments)))]
        low, high = map(float, self.arguments)
        if self.form == "int":
            return str(int(random.integers(int(low), int(high), endpoint=True)))
        if self.form == "log":
            return repr(math.exp(random.uniform(math.log(low), math.log(high))))
        return repr(float(random.uniform(low, high)))


def settings(changes: Sequence[str]) -> list[Setting]:
    """Read "KEY=log(1e-3,1)" and the like.

    Raises      InputError for a space that cannot be read or is empty, a key that is given twice,
                and where nothing varies
    """
    found = [_setting(change) for change in changes]
    keys = [setting.key for setting in found]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"--set {key} is given {keys.count(key)} times, expected once")
    if not any(setting.varies for setting in found):
        raise InputError(
            f"nothing to sweep: expected a --set KEY= with {FORMS.rsplit(' or', 1)[0]}"
        )
    return found


def draw_all(spaces: Sequence[Setting], trials: int, seed: int) -> list[dict[str, str]]:
    """The values of every trial, {key: value}. More trials of the same seed begin with the same."""
    randoms = (stream(seed, "sweep", trial) for trial in range(trials))
    return [{space.key: space.draw(random) for space in spaces} for random in randoms]


def _setting(change: str) -> Setting:
    key, equals, text = change.partition("=")
    if not (equals and key.strip() and text.strip()):
        raise InputError(f"--set takes KEY={FORMS}; found {change!r}")
    call = _CALL.fullmatch(text)
    if call is None:
        return Setting(key.strip(), "fixed", (text.strip(),))
    form, arguments = call[1], tuple(_split(call[2]))
    reader = _READERS.get(form)
    if reader is None:
        raise InputError(f"--set {change}: no space {form!r}; expected {FORMS}")
    if problem := reader(arguments):
        raise InputError(f"--set {change}: {problem}")
    return Setting(key.strip(), form, arguments)


def _split(text: str) -> list[str]:
    """At the commas that are in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += (letter in _OPEN) - (letter in _CLOSE) if not quote else 0
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _choices(arguments: tuple[str, ...]) -> str | None:
    empty = len(arguments) < 2 or not all(arguments)
    return f"choice takes two values or more, found {', '.join(arguments)!r}" if empty else None


def _range(of: Callable[[str], float], what: str, lowest: float) -> Callable[..., str | None]:
    def problem(arguments: tuple[str, ...]) -> str | None:
        try:
            low, high = map(of, arguments)
        except ValueError:
            return f"expected {what}, found {', '.join(arguments)!r}"
        if not lowest < low < high < math.inf:
            above = f"{lowest:g} < " if math.isfinite(lowest) else ""
            return f"expected {above}LOW < HIGH, found {low:g} and {high:g}"
        return None

    return problem


_READERS: dict[str, Callable[[tuple[str, ...]], str | None]] = {
    "log": _range(float, "two numbers", 0.0),
    "uniform": _range(float, "two numbers", -math.inf),
    "int": _range(int, "two whole numbers", -math.inf),
    "choice": _choices,
}
