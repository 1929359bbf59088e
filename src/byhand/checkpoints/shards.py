"""A model in several files: model-00001-of-00004.safetensors and its like."""

from __future__ import annotations

import re
from pathlib import Path

from byhand.errors import InputError

SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)")


def shards(path: Path) -> list[Path]:
    """All files of the model that this file is one of, in order; itself where it is the only one.

    Raises      InputError that names a file that is missing
    """
    match = SHARD.fullmatch(path.name)
    if match is None:
        return [path]
    stem, count, ending = match[1], int(match[3]), match[4]
    parts = []
    for number in range(1, count + 1):
        part = path.with_name(f"{stem}-{number:05}-of-{count:05}{ending}")
        if not part.is_file():
            raise InputError(
                f"{path.name} is one of {count} files and {part.name} is missing; fetch it as well"
            )
        parts.append(part)
    return parts
