"""Finding the PyTorch twin of a part of a description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from byhand.errors import InputError

T = TypeVar("T")


def twin_of(part: object, twins: Mapping[Any, T], what: str, place: str) -> T:
    """The entry for this very class: somebody's subclass may compute something else. `place` is the
    file of the table and its name, as losses.LOSSES.

    Raises      InputError, which names the file that an entry is missing in
    """
    kind = type(part)
    if kind not in twins:
        names = ", ".join(known.__name__ for known in twins)
        file, table = place.split(".")
        raise InputError(
            f"the {what} {kind.__name__} has no twin in PyTorch, which has {names}; "
            f"add it to {table} in src/byhand/engines/torch/{file}.py, or use engine numpy"
        )
    return twins[kind]
