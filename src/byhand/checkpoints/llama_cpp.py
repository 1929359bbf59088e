"""Blocks of 256 as llama.cpp makes them, by its own library: no Python package has the searches
for good scales that they take.

Source      ggml, `ggml.h`: size_t ggml_quantize_chunk(type, src, dst, start, rows, row, imatrix),
            without an importance matrix.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from byhand.checkpoints.ggml_types import NAMED, NUMBERED
from byhand.checkpoints.numbers import Array
from byhand.errors import ByhandError, InputError

FUNCTION = "ggml_quantize_chunk"
HOMES = {"xllamacpp": "xllamacpp*.so", "llama_cpp": "lib/*ggml-base*"}
"""By package that brings the library: where it lies inside."""
ADVICE = "pip install xllamacpp, or llama-cpp-python"


def to_blocks(rows: Array, kind: str) -> Array:
    """The rows in blocks of this type, as bytes.

    Shapes      rows[n, width] float32 -> [n, bytes of a row]

    Raises      InputError where no package with the library is installed; ByhandError where the
                library makes blocks of another size
    """
    type_ = NAMED[kind]
    rows = np.ascontiguousarray(rows, np.float32)
    count, width = rows.shape
    made = np.empty((count, type_.nbytes(width, width)), np.uint8)
    number = next(n for n, each in NUMBERED.items() if each is type_)
    size = _function()(number, rows.ctypes.data, made.ctypes.data, 0, count, width, None)
    if size != made.nbytes:
        raise ByhandError(
            f"llama.cpp's library made {size:,} bytes of {kind} and {made.nbytes:,} were expected: "
            f"it is of another version; {ADVICE}, as of 2024 or later"
        )
    return made


def check_there(kind: str) -> None:
    """Raises      InputError where blocks of this type cannot be made here"""
    try:
        _function()
    except InputError as error:
        raise InputError(f"to quantize to {kind} {error}") from None


@cache
def _function() -> Any:
    tried = []
    for path in _libraries():
        try:
            function = getattr(ctypes.CDLL(str(path)), FUNCTION)
        except (OSError, AttributeError):
            tried.append(path.name)
            continue
        function.restype = ctypes.c_size_t
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        function.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
        return function
    found = f" ({', '.join(tried)} has no {FUNCTION})" if tried else ""
    raise InputError(f"llama.cpp's library is needed{found}: {ADVICE}")


def _libraries() -> Iterator[Path]:
    for package, pattern in HOMES.items():
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            yield from sorted(Path(folder).glob(pattern))
