"""A model's configuration, read with care: every number is checked before a row is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byhand.errors import InputError

MOST = 2**31 - 1
MOST_LAYERS = 10_000


class Facts:
    """The fields of one config.json and where they are from, for messages."""

    def __init__(self, fields: Mapping[str, Any], origin: str) -> None:
        self.fields = fields
        self.origin = origin

    def integer(self, *names: str, default: int | None = None, most: int = MOST) -> int:
        """The first of these fields that is there and not null, from 1 to `most`.

        Raises      InputError where it is no such number, or none is there and there's no default
        """
        for name in names:
            value = self.fields.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                found = repr(value) if len(repr(value)) < 40 else "something else"
                raise InputError(
                    f"{self.origin}: {name} is a whole number from 1 to {most:,}; found {found}"
                )
            return value
        if default is None:
            raise InputError(
                f"{self.origin}: {names[0]} is missing, and the model's sizes follow from it; "
                "use the whole config.json of the model"
            )
        return default

    def optional(self, *names: str) -> int | None:
        """As `integer`, or None where none of the fields is there; 0 stands for none as well."""
        given = [name for name in names if self.fields.get(name)]
        return self.integer(*given) if given else None

    def experts(self, all_of_them: str, used: str) -> tuple[int, int]:
        """How many experts there are and how many a token uses.

        Raises      InputError where it would use more than there are
        """
        count, chosen = self.integer(all_of_them), self.integer(used)
        if chosen > count:
            raise InputError(
                f"{self.origin}: {used} is {chosen} and {all_of_them} is {count}; a token uses no "
                "more experts than there are"
            )
        return count, chosen

    def flag(self, name: str, default: bool) -> bool:
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise InputError(f"{self.origin}: {name} is true or false; found {value!r}")
        return value

    def list_of(self, name: str) -> list[Any]:
        """A list; empty where there is none."""
        value = self.fields.get(name) or []
        if not isinstance(value, list):
            raise InputError(f"{self.origin}: {name} is a list; found {value!r}")
        return value

    @property
    def layers(self) -> int:
        return self.integer("num_hidden_layers", "n_layer", most=MOST_LAYERS)
