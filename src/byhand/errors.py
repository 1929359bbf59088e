"""The errors a user can meet. Each message is one line: what was expected, what was found, what to
do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ByhandError(Exception):
    """Something failed; the command line ends with exit code 1."""

    exit_code = 1


class InputError(ByhandError):
    """The user's input cannot be used as it is; the command line ends with exit code 2."""

    exit_code = 2


class ShapeError(InputError):
    """An array has the wrong axes."""


class DTypeError(InputError):
    """An array has the wrong element type."""


class DamagedFileError(ByhandError):
    """A file is truncated or was altered."""


class TrainingError(ByhandError):
    """Training cannot go on, for example because the loss is no longer a number."""


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The advice for an unknown name: the closest known one, or `otherwise` where none is close."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise
