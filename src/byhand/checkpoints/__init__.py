"""Files of weights in the standard formats: GGUF, Hugging Face's and Meta's. Nothing in them is
executed.

The names below are loaded when they are first used: to read a header takes nothing but Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from byhand.checkpoints.conversion import convert as convert
    from byhand.checkpoints.conversion import open as open
    from byhand.checkpoints.description import Checkpoint as Checkpoint
    from byhand.checkpoints.description import Tensor as Tensor
    from byhand.checkpoints.forward import as_torch as as_torch
    from byhand.checkpoints.inspection import inspect as inspect
    from byhand.checkpoints.quantization import quantize as quantize
    from byhand.checkpoints.verification import verify as verify

_HOMES = {
    "Checkpoint": "description",
    "Tensor": "description",
    "as_torch": "forward",
    "convert": "conversion",
    "inspect": "inspection",
    "open": "conversion",
    "quantize": "quantization",
    "verify": "verification",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'byhand.checkpoints' has no attribute {name!r}")
    return getattr(import_module(f"byhand.checkpoints.{_HOMES[name]}"), name)
