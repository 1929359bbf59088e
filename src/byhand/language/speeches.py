"""Plays as conversations: what one person says is asked, what the next one says is the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from byhand.data import cache_folder, fetch_file
from byhand.storage import write_text

NAME = "shakespeare-speeches"
TEXT = "tiny-shakespeare"
WORDS = range(4, 41)
"""How long a speech is that is asked or answers: short ones say little, long ones wander."""


def conversations(text: str) -> Iterator[dict[str, object]]:
    """Each speech with the one before it, as a line of JSON Lines has it.

    text        speeches with a blank line between them: a name with a colon, then lines
    """
    for asked, answer in pairwise(_speeches(text)):
        if len(asked.split()) in WORDS and len(answer.split()) in WORDS:
            yield {
                "messages": [
                    {"role": "user", "content": " ".join(asked.split())},
                    {"role": "assistant", "content": answer},
                ]
            }


def _speeches(text: str) -> Iterator[str]:
    for block in text.split("\n\n"):
        name, _, said = block.strip().partition("\n")
        if name.endswith(":") and said:
            yield said.strip()


def shakespeare() -> Path:
    """Tiny Shakespeare as conversations, in the cache."""
    source = fetch_file(TEXT)
    path = cache_folder() / "files" / f"{NAME}.jsonl"
    lines = (
        json.dumps(row, ensure_ascii=False) for row in conversations(source.read_text("utf-8"))
    )
    write_text(path, "\n".join(lines) + "\n")
    return path
