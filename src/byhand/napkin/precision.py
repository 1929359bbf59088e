"""How many bytes a number takes: floating-point types, and quantised weights."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from byhand.napkin.checks import one_of

DTYPES = {"f32": 4, "f16": 2, "bf16": 2, "f8": 1}
SPELLINGS = {
    "float32": "f32",
    "fp32": "f32",
    "float16": "f16",
    "fp16": "f16",
    "half": "f16",
    "bfloat16": "bf16",
    "float8": "f8",
    "fp8": "f8",
}


@dataclass(frozen=True)
class LinearQuantization:
    """A format that packs the matrices of the blocks and leaves embeddings, head and norms alone.

    bits    per weight with what the format stores beside it, such as the scales
    source  where the format is described
    """

    bits: Fraction
    source: str


LINEAR = {
    # 4 bits, an 8-bit scale per 64 weights, a 32-bit scale per 256 of those.
    "nf4": LinearQuantization(
        4 + Fraction(8, 64) + Fraction(32, 64 * 256), "QLoRA, arXiv 2305.14314, section 3"
    ),
    # 4 bits, a 16-bit scale and a 4-bit zero per group of 128.
    "gptq": LinearQuantization(4 + Fraction(16 + 4, 128), "GPTQ, arXiv 2210.17323, groups of 128"),
    "awq": LinearQuantization(4 + Fraction(16 + 4, 128), "AWQ, arXiv 2306.00978, groups of 128"),
    # The scale of each row is left out: 32 bits per row of thousands.
    "int8": LinearQuantization(Fraction(8), "LLM.int8(), arXiv 2208.07339"),
    "fp8": LinearQuantization(Fraction(8), "FP8 formats, arXiv 2209.05433"),
}


def dtype_of(text: str) -> str:
    """The short name of a floating-point type: "bfloat16" is "bf16".

    Raises      InputError for an unknown one.
    """
    name = SPELLINGS.get(text.lower(), text.lower())
    return one_of("dtype", name, DTYPES)
