"""The vocabularies of two languages, and what a sentence is in ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.data.vocabulary import BytePairs, Characters, Ids, Vocabulary
from byhand.data.words import Words

SOURCE, TARGET = "source", "target"


class Languages(NamedTuple):
    """What the ids of a source and of a target stand for.

    Behind the tokens of each vocabulary there are two more ids, <bos> before a target and <eos>
    behind a sentence.
    """

    source: Vocabulary
    target: Vocabulary

    def save(self, folder: Path) -> None:
        """Write both into a folder, for `read_languages`."""
        for name, vocabulary in zip((SOURCE, TARGET), self, strict=True):
            (folder / name).mkdir(exist_ok=True)
            vocabulary.save(folder / name)


def begin(vocabulary: Vocabulary) -> int:
    """The id of <bos>."""
    return len(vocabulary)


def end(vocabulary: Vocabulary) -> int:
    """The id of <eos>."""
    return len(vocabulary) + 1


def size(vocabulary: Vocabulary) -> int:
    """How many ids there are, <bos> and <eos> included."""
    return len(vocabulary) + 2


def sentence(vocabulary: Vocabulary, text: str) -> Ids:
    """The ids of a sentence, <eos> behind them."""
    return np.append(vocabulary.encode(text), end(vocabulary))


def read(vocabulary: Vocabulary, ids: NDArray[Any]) -> str:
    """The sentence that ids stand for, up to its <eos>, without padding."""
    ids = np.asarray(ids, np.int64)
    last = np.flatnonzero(ids == end(vocabulary))
    ids = ids[: last[0]] if len(last) else ids
    return vocabulary.decode(ids[(ids >= 0) & (ids < len(vocabulary))])


def tokens(vocabulary: Vocabulary, ids: Iterable[int]) -> tuple[str, ...]:
    """What each id stands for, <bos> and <eos> by these names."""
    names = {begin(vocabulary): "<bos>", end(vocabulary): "<eos>"}
    return tuple(names.get(token) or vocabulary.decode([token]) for token in ids)


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """The vocabulary that `save` wrote into a folder; None where there is none.

    Raises      DamagedFileError
    """
    kinds: tuple[type[Characters] | type[BytePairs] | type[Words], ...]
    kinds = (Characters, BytePairs, Words)
    for kind in kinds:
        if (folder / kind.file).is_file():
            return kind.read(folder / kind.file)
    return None


def read_languages(folder: Path) -> Languages | None:
    """The languages that `Languages.save` wrote into a folder; None where there are none.

    Raises      DamagedFileError
    """
    source, target = (read_vocabulary(folder / name) for name in (SOURCE, TARGET))
    return None if source is None or target is None else Languages(source, target)
