"""Numbers of 16 and 32 bits, without a library that knows bfloat16.

A tensor of type BF16 is an array of its 16-bit patterns (uint16): the upper half of a float32. All
other types are NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError, nearest

Array = NDArray[Any]
DTYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
"""The types in which weights are stored number by number, and the arrays that hold them."""
SPELLED = {
    "f32": "F32",
    "fp32": "F32",
    "float32": "F32",
    "f16": "F16",
    "fp16": "F16",
    "float16": "F16",
    "bf16": "BF16",
    "bfloat16": "BF16",
}
TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""As PyTorch and config.json call them."""


def dtype_named(name: str) -> str:
    """F32, F16 or BF16, however a person spells it.

    Raises      InputError for another name
    """
    if (found := SPELLED.get(name.lower())) is not None:
        return found
    advice = nearest(name.lower(), SPELLED, "there is f32, f16 and bf16")
    raise InputError(f"no dtype is called {name!r}; {advice}")


def to_float32(values: Array, dtype: str) -> Array:
    """The same numbers in float32, which holds all of them."""
    if dtype == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32, copy=False)


def from_float32(values: Array, dtype: str) -> Array:
    """The nearest numbers of the type; halfway between two, the even one. Too large becomes ∞."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        # Adding just under half a step carries into the upper half where it has to be rounded up.
        rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
        not_numbers = np.isnan(values)
        if not_numbers.any():
            rounded[not_numbers] = (bits[not_numbers] >> 16).astype(np.uint16) | 0x40
        return rounded
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[dtype], copy=False)


def converted(values: Array, source: str, target: str) -> Array:
    """From one type to another, by way of float32."""
    return values if source == target else from_float32(to_float32(values, source), target)


def loses_nothing(values: Array, dtype: str) -> bool:
    """Whether each of these float32 numbers is one of the type."""
    return bool(np.array_equal(to_float32(from_float32(values, dtype), dtype), values))
