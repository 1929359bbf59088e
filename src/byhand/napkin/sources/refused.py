"""Architectures that keep a state instead of, or beside, keys and values. Their memory follows
other equations, which byhand doesn't have; so they are refused by name."""

from __future__ import annotations

import re

from byhand.errors import InputError

FAMILIES = {
    "bamba": "Bamba",
    "falconh1": "Falcon-H1",
    "falconmamba": "Falcon Mamba",
    "granitehybrid": "Granite 4 hybrid",
    "granitemoehybrid": "Granite 4 hybrid",
    "granite40h": "Granite 4 hybrid",
    "griffin": "Griffin",
    "hyena": "Hyena",
    "hymba": "Hymba",
    "jamba": "Jamba",
    "kimilinear": "Kimi Linear",
    "lfm2": "LFM2",
    "mamba": "Mamba",
    "minimaxtext01": "MiniMax-Text-01",
    "minimaxm1": "MiniMax-M1",
    "nemotronh": "Nemotron-H",
    "olmohybrid": "OLMo hybrid",
    "plamo2": "PLaMo 2",
    "qwen3next": "Qwen3-Next",
    "qwen35": "Qwen3.5",
    "recurrentgemma": "RecurrentGemma",
    "retnet": "RetNet",
    "rwkv": "RWKV",
    "samba": "Samba",
    "ssm": "state-space model",
    "xlstm": "xLSTM",
    "zamba": "Zamba",
}
"""Beginnings of names, in small letters and digits only, with what people call them."""


def plain(name: str) -> str:
    """A name in small letters and digits, so that spellings of one name are equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def refuse_state_space(name: str, origin: str) -> None:
    """Raise InputError where a name belongs to a state-space, recurrent or hybrid architecture."""
    spelled = plain(name.rpartition("/")[2])
    for beginning in sorted(FAMILIES, key=len, reverse=True):
        if spelled.startswith(beginning):
            refuse(FAMILIES[beginning], origin)


def refuse(family: str, origin: str) -> None:
    """Raise the InputError for an architecture of this family."""
    raise InputError(
        f"{origin}: {family} is a state-space, recurrent or hybrid architecture, whose memory "
        "isn't a key-value cache; byhand sizes Transformers only"
    )
