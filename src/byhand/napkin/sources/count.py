"""A bare count such as `7B`: a decoder of an assumed shape that has about so many parameters."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from math import ceil

from byhand.errors import InputError
from byhand.napkin.sources import known
from byhand.napkin.sources.decoder import Decoder, rows
from byhand.napkin.tensors import Attention, Model

COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.IGNORECASE)
IN_A_NAME = re.compile(r"(?:^|-)(\d+(?:\.\d+)?)([MB])$")
UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
VOCABULARY = 32_000
HEAD_DIM = 128
CONTEXT = 4096
SMALLEST, LARGEST = 10**6, 100 * 10**12


def find(text: str) -> Model | None:
    """A decoder like Llama with so many parameters, or None where the text is no count.

    Raises      InputError for counts of which there are no such decoders
    """
    match = COUNT.fullmatch(text.strip())
    if match is None:
        return None
    digits, unit = match[1], UNITS[match[2].upper()]
    count = int(Decimal(digits) * unit)
    if not SMALLEST <= count <= LARGEST:
        raise InputError(
            f"{text}: a model has from 1M to 100T parameters; found {count:,}; "
            "write it as 350M, 7B or 1.1B"
        )
    return _assumed(text.strip(), count, _meant(digits, unit, count))


def _assumed(text: str, count: int, counted: tuple[int, int]) -> Model:
    d = _shape(count)
    low, high = counted
    return Model(
        text,
        "assumed",
        rows(d),
        "a count without a shape",
        layers=d.layers,
        hidden=d.hidden,
        intermediate=d.intermediate,
        vocabulary=d.vocabulary,
        context=CONTEXT,
        attention=(Attention("full", d.heads, d.kv_heads, d.head_dim),) * d.layers,
        gated=True,
        counted=(low, count, high),
        assumed=(
            f"{text} is a count without a shape, and names round: {low:,} to {high:,} parameters",
            f"shape as Llama's: {d.layers} layers of {d.hidden}, {d.heads} heads of {d.head_dim}, "
            f"MLP {d.intermediate}, vocabulary {d.vocabulary:,}, no grouped heads",
        ),
    )


def _shape(count: int) -> Decoder:
    """Llama's proportions: h is 128·L, a layer has about 12·h² parameters, and so many layers that
    L·12·h² is the count; the embeddings take what is over, which is about 32,000 words."""
    hidden = max(1, round((count * 128 / 12) ** (1 / 3) / HEAD_DIM)) * HEAD_DIM
    heads = hidden // HEAD_DIM
    words = min(VOCABULARY, count // (8 * hidden))
    layers = max(1, round((count - 2 * words * hidden) / (12 * hidden**2)))

    def decoder(width: int, vocabulary: int) -> Decoder:
        return Decoder(layers, hidden, width, vocabulary, heads, heads, HEAD_DIM)

    def over(d: Decoder) -> int:
        return count - sum(row.parameters for row in rows(d))

    step = 3 * layers * hidden * 256  # widths are multiples of 256
    width = 256 * max(1, round(over(decoder(0, words)) / step))
    return decoder(width, max(1, over(decoder(width, 0)) // (2 * hidden)))


def _meant(digits: str, unit: int, count: int) -> tuple[int, int]:
    """The lowest and the highest count the text can mean: half a unit of its last digit, or as far
    as the known names are from their counts, whichever is further."""
    decimals = len(digits.partition(".")[2])
    half = unit // (2 * 10**decimals)
    low, high = _named_apart()
    return min(count - half, int(count * low)), max(count + half, ceil(count * high))


@cache
def _named_apart() -> tuple[float, float]:
    """The smallest and the largest ratio of a known model's count to the count in its name."""
    ratios = [1.0]
    for row in known.rows():
        match, parameters = IN_A_NAME.search(row["name"]), row["published"].get("parameters")
        if match and parameters:
            ratios.append(parameters / float(Decimal(match[1]) * UNITS[match[2]]))
    return min(ratios), max(ratios)
