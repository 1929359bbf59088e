"""What every question has to ask first: is this number, name or combination possible at all?"""

from __future__ import annotations

from collections.abc import Iterable

from byhand.errors import InputError, nearest
from byhand.napkin.quantity import Quantity, given
from byhand.napkin.tensors import Model
from byhand.napkin.units import ABSURD, parse_count

MOST_DEVICES = 10**7
MOST_BATCH = 10**7
DEFAULT_CONTEXT = 4096


def one_of(what: str, name: str, known: Iterable[str]) -> str:
    """The name, if it is one of the known.

    Raises      InputError with the nearest known name where it is none.
    """
    names = list(known)
    if name not in names:
        advice = nearest(name, names, f"there is {', '.join(names)}")
        raise InputError(f"unknown {what} {name!r}; {advice}")
    return name


def whole(what: str, value: int, most: int) -> int:
    """The value, if it lies between 1 and `most`; InputError otherwise."""
    if not 1 <= value <= most:
        raise InputError(f"{what}: expected a number from 1 to {most:,}, found {value:,}")
    return value


def positive(what: str, value: float) -> float:
    """The value, if it lies above 0 and is no absurd number; InputError otherwise."""
    if not 0 < value <= ABSURD:
        raise InputError(f"{what}: expected a number above 0, found {value:g}")
    return value


def tokens_of(text: str) -> int | tuple[int, int, int]:
    """A number of tokens such as 4096 or 8k; k mostly means 1,024 here, and can mean 1,000.

    Raises      InputError for anything else.
    """
    count = parse_count(text, "--context")
    if text.strip()[-1:].lower() != "k":
        return count
    binary = count * 1024 // 1000
    return count, binary, binary


def batch_of(batch: int) -> Quantity:
    """B, the sequences that are in memory together."""
    return given("B", whole("--batch", batch, MOST_BATCH), meaning="sequences at once")


def devices_of(devices: int) -> Quantity:
    """n, the devices that share the work."""
    whole("--devices", devices, MOST_DEVICES)
    return given("n", devices, "device", "devices")


def context_of(model: Model, context: int | tuple[int, int, int] | None) -> Quantity:
    """T, the tokens of each sequence: as asked, or up to 4,096 of those the model was made for.

    Raises      InputError for more tokens than the model has positions.
    """
    meaning = "tokens per sequence"
    if context is None:
        context = min(DEFAULT_CONTEXT, model.context or DEFAULT_CONTEXT)
        meaning += ", as --context says nothing"
    low, value, high = context if isinstance(context, tuple) else (context,) * 3
    whole("--context", low, ABSURD)
    if model.context is not None and low > model.context:
        raise InputError(
            f"--context: {model.name} has {model.context:,} positions, found {low:,}; "
            f"ask for at most {model.context:,}"
        )
    high = min(high, model.context or high)
    value = min(value, high)
    return given("T", value, "token", meaning, low=low, high=high)
