"""A Hugging Face config.json, read as the list of tensors that it describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from byhand.errors import InputError, nearest
from byhand.napkin.sources import deepseek, encoders, families, vision
from byhand.napkin.sources.facts import Facts
from byhand.napkin.sources.refused import refuse_state_space
from byhand.napkin.tensors import Model

LARGEST = 10_000_000  # bytes; the largest config.json with its labels is far below

FAMILIES: dict[str, Callable[[Facts, str], Model]] = {
    **families.FAMILIES,
    **encoders.FAMILIES,
    "gemma3": vision.gemma3_with_vision,
    "deepseek_v2": deepseek.deepseek,
    "deepseek_v3": deepseek.deepseek,
}


def read_config(path: Path) -> Model:
    """The model that a config.json describes, named after the folder it is in.

    Raises      InputError where it is no such file, or of an architecture byhand doesn't know
    """
    return from_config(read_json(path), path.resolve().parent.name, str(path))


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file.

    Raises      InputError where it is none
    """
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path} is too large for a config.json; give the model's own file")
    try:
        fields = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no JSON; give the config.json of a model") from None
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected the object of a config.json, found another JSON value")
    return fields


def from_config(fields: Mapping[str, Any], name: str, origin: str) -> Model:
    """The model that these fields of a config.json describe.

    origin      where they are from, for the model's source and for messages
    Raises      InputError for an architecture byhand doesn't know, and for impossible sizes
    """
    kind = fields.get("model_type")
    if not isinstance(kind, str):
        raise InputError(
            f"{origin}: model_type is missing, so its architecture isn't known; "
            "give the config.json of a model"
        )
    refuse_state_space(kind, origin)
    if kind not in FAMILIES:
        advice = nearest(kind, FAMILIES, f"there is {', '.join(sorted(FAMILIES))}")
        raise InputError(f"{origin}: byhand doesn't know the architecture {kind!r}; {advice}")
    return FAMILIES[kind](Facts(fields, origin), name)
