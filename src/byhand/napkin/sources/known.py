"""Models by their names: known.json holds a config.json's fields for each, and where they are from.

A row has the name, the repository of that config, further names, the source of its fields, the
fields, and the published counts with their source: `parameters` is an integer; `_rounded` is what a
paper or a model card says in words, `within` so much of it; DeepSeek counts the parameters that a
token uses without the input embedding (`active_without_embedding`).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from byhand.napkin.sources.config import from_config
from byhand.napkin.tensors import Model

TRAINED_FURTHER = ("instruct", "chat", "base", "hf", "it", "pt", "v0.1")
"""Endings of names that do not change a tensor."""


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """All rows of known.json."""
    return tuple(json.loads((files(__package__) / "known.json").read_text("utf-8")))


def find(text: str) -> Model | None:
    """The model of this name, or None. Capitals, spaces and dashes do not matter, nor does the
    owner in front or an ending such as -instruct."""
    known = _by_spelling()
    row = known.get(_spelled(text)) or known.get(_shortened(_spelled(text)))
    if row is None:
        return None
    model = from_config(row["config"], row["name"], row["source"])
    note = (row["note"],) if "note" in row else ()
    return replace(model, assumed=model.assumed + note)


def similar(text: str) -> list[str]:
    """The known names that are spelled most like the text, at most three."""
    known = _by_spelling()
    near = difflib.get_close_matches(_spelled(text), list(known), n=6, cutoff=0.5)
    return list(dict.fromkeys(known[spelling]["name"] for spelling in near))[:3]


@cache
def _by_spelling() -> dict[str, dict[str, Any]]:
    return {_spelled(name): row for row in rows() for name in _all_names(row)}


def _all_names(row: dict[str, Any]) -> Iterator[str]:
    yield row["name"]
    yield from row.get("aliases", ())
    if "repository" in row:
        yield row["repository"]


def _spelled(text: str) -> str:
    # An owner stands in front of the model's name; the slash of ViT-B/16 is a part of it.
    owner, _, rest = text.partition("/")
    name = rest if rest and not owner.lower().startswith("vit-") else text
    # The point tells GPT-3-1.3B from GPT-3-13B.
    return re.sub(r"[^a-z0-9.]", "", name.lower()).removeprefix("meta")


def _shortened(spelling: str) -> str:
    while ending := next((e for e in TRAINED_FURTHER if spelling.endswith(e)), None):
        spelling = spelling.removesuffix(ending)
    return spelling
