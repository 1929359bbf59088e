"""The types of a GGUF file's tensors: how many numbers a block holds, and in how many bytes.

Source      ggml, `ggml.h` (the numbers) and `ggml-common.h` (the blocks).
"""

from __future__ import annotations

from dataclasses import dataclass

from byhand.errors import InputError


@dataclass(frozen=True)
class BlockType:
    """A row is cut into blocks of `block` numbers, each stored in `size` bytes."""

    name: str
    block: int
    size: int

    @property
    def bits(self) -> float:
        """Bits per number."""
        return 8 * self.size / self.block

    def nbytes(self, row: int, elements: int) -> int:
        """The bytes of `elements` numbers in rows of `row`.

        Raises      InputError where a row is no whole number of blocks
        """
        if row % self.block:
            raise InputError(
                f"a row of {row} cannot be stored as {self.name}, whose blocks hold {self.block}; "
                f"use a type with smaller blocks, such as Q8_0 (32) or F16 (1)"
            )
        return elements // self.block * self.size


NUMBERED = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    9: BlockType("Q8_1", 32, 40),
    10: BlockType("Q2_K", 256, 84),
    11: BlockType("Q3_K", 256, 110),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    15: BlockType("Q8_K", 256, 292),
    16: BlockType("IQ2_XXS", 256, 66),
    17: BlockType("IQ2_XS", 256, 74),
    18: BlockType("IQ3_XXS", 256, 98),
    19: BlockType("IQ1_S", 256, 50),
    20: BlockType("IQ4_NL", 32, 18),
    21: BlockType("IQ3_S", 256, 110),
    22: BlockType("IQ2_S", 256, 82),
    23: BlockType("IQ4_XS", 256, 136),
    24: BlockType("I8", 1, 1),
    25: BlockType("I16", 1, 2),
    26: BlockType("I32", 1, 4),
    27: BlockType("I64", 1, 8),
    28: BlockType("F64", 1, 8),
    29: BlockType("IQ1_M", 256, 56),
    30: BlockType("BF16", 1, 2),
    34: BlockType("TQ1_0", 256, 54),
    35: BlockType("TQ2_0", 256, 66),
    39: BlockType("MXFP4", 32, 17),
}
"""By the number that stands in a file."""

NAMED = {kind.name: kind for kind in NUMBERED.values()}
