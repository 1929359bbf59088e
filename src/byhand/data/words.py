"""The words of a language as tokens."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from byhand.data.vocabulary import Ids, checked
from byhand.errors import DamagedFileError, InputError
from byhand.storage import write_text

UNKNOWN = "<unk>"
_WORD = re.compile(r"\w+['’](?=\w)|\w+|[^\w\s]")
_CLOSING = re.compile(r" (?=[.,;:!?%)\]»”…])")
_OPENING = re.compile(r"(?<=[(\[«“]) ")
_ELIDED = re.compile(r"(?<=\w['’]) ")
_HYPHENS = re.compile(r"(?<=\w) (-) (?=\w)")


class Words:
    """Each word is a token, in lower case, and so is each punctuation mark; what stands before an
    apostrophe is a word by itself: l' ami, don' t. The ids are in the order of how often a word
    occurs, and 0 is any word that is not one of them.

    Source      Bahdanau, Cho, Bengio (2014), section 4.1: a shortlist of the most frequent words,
                and [UNK] for the others.
    """

    file: ClassVar[str] = "words.json"
    unit: ClassVar[str] = "word"

    def __init__(self, words: Sequence[str]) -> None:
        """The words by their ids, without that of the unknown."""
        self.words = (UNKNOWN, *words)
        self._ids = {word: k for k, word in enumerate(self.words)}

    @classmethod
    def learn(cls, sentences: Iterable[str], size: int) -> Words:
        """The `size` − 1 most frequent words, or as many as there are; of equally frequent ones
        those that come first in the alphabet.

        Raises      InputError where size is below 2
        """
        if size < 2:
            raise InputError(
                f'vocabulary is at least 2 for tokens = "words", a word and {UNKNOWN}; found {size}'
            )
        counts = Counter(word for sentence in sentences for word in split_words(sentence))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked[: size - 1])

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> Ids:
        return np.array([self._ids.get(word, 0) for word in split_words(text)], np.int64)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that have no id of their own."""
        return [word for word in split_words(text) if word not in self._ids]

    def decode(self, ids: NDArray[Any] | Sequence[int]) -> str:
        text = " ".join(self.words[k] for k in checked(ids, len(self)))
        for space in (_CLOSING, _OPENING, _ELIDED):
            text = space.sub("", text)
        return _HYPHENS.sub(r"\1", text)

    def save(self, folder: Path) -> None:
        listed = json.dumps(list(self.words[1:]), ensure_ascii=False, indent=0)
        write_text(folder / self.file, listed + "\n")

    @classmethod
    def read(cls, path: Path) -> Words:
        """Raises      DamagedFileError where the file is not what `save` wrote."""
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            listed = None
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            raise DamagedFileError(f"{path} is not a list of words: restore it")
        return cls(listed)


def split_words(text: str) -> list[str]:
    """The words and punctuation marks of a text, in lower case."""
    return _WORD.findall(text.lower())
