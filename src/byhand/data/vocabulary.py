"""The tokens of a text: its characters, or the pieces of words that byte-pair encoding finds."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from byhand.errors import DamagedFileError, InputError
from byhand.storage import write_text

Ids = NDArray[np.int64]
BYTES = 256
"""Tokens that byte-level byte-pair encoding begins with, so that it has a name for any text."""
PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": ".", "\xa0": " "}
"""What an editor makes of plain characters, which a text to learn from mostly has."""


@runtime_checkable
class Vocabulary(Protocol):
    """Tokens by their numbers 0, 1, … and back. `unit` is what one of them is called."""

    file: ClassVar[str]
    unit: ClassVar[str]

    def __len__(self) -> int: ...

    def encode(self, text: str) -> Ids:
        """The ids of a text's tokens, one after the other."""
        ...

    def decode(self, ids: NDArray[Any] | Sequence[int]) -> str:
        """The text of such ids.

        Raises      InputError for a number that is not an id.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write `file` into a folder, for `read_vocabulary`."""
        ...


class Characters:
    """Each character is a token. The ids are in the order of the characters' code points.

    Source      Karpathy, The unreasonable effectiveness of recurrent neural networks (2015).
    """

    file: ClassVar[str] = "vocabulary.json"
    unit: ClassVar[str] = "character"

    def __init__(self, text: str) -> None:
        """The characters that occur in a text."""
        self.characters = "".join(sorted(set(text)))
        self._codes = _code_points(self.characters)

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Ids:
        """The ids of a text's characters.

        Raises      InputError that names the first character not in the vocabulary, and its place.
        """
        codes = _code_points(text)
        ids = np.searchsorted(self._codes, codes).astype(np.int64)
        unknown = np.flatnonzero(self._codes[np.minimum(ids, len(self) - 1)] != codes)
        if len(unknown):
            raise InputError(self._unknown(text, int(unknown[0])))
        return ids

    def decode(self, ids: NDArray[Any] | Sequence[int]) -> str:
        places = checked(ids, len(self))
        return self._codes[places].tobytes().decode("utf-32-le", "surrogatepass")

    def save(self, folder: Path) -> None:
        write_text(folder / self.file, json.dumps(list(self.characters)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Characters:
        """Raises      DamagedFileError where the file is not what `save` wrote."""
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            vocabulary = cls("".join(listed))
        except (ValueError, TypeError):
            listed, vocabulary = None, cls("")
        if not listed or listed != list(vocabulary.characters):
            raise DamagedFileError(f"{path} is not a list of characters in order: restore it")
        return vocabulary

    def _unknown(self, text: str, place: int) -> str:
        character = text[place]
        before = text[:place]
        line, column = before.count("\n") + 1, place - before.rfind("\n")
        plain = unicodedata.normalize("NFKD", character)[0]
        nearest = [PLAIN.get(character), plain, plain.swapcase()]
        near = next((each for each in nearest if each and each in self.characters), None)
        return (
            f"the character {character!r} (U+{ord(character):04X}) at line {line}, column {column} "
            f"is not one of the {len(self)} in the vocabulary; "
            + (f"did you mean {near!r}?" if near else "leave it out")
        )


class BytePairs:
    """Byte-pair encoding over bytes: it begins with the 256 bytes and, again and again, makes a new
    token of the pair of neighbours that is most frequent. A frequent word becomes one token, and
    any text can be written. By Hugging Face's `tokenizers`, and its file format.

    Source      Sennrich, Haddow, Birch, Neural machine translation of rare words with subword units
                (2016); over bytes: Radford et al., Language models are unsupervised multitask
                learners (2019).
    """

    file: ClassVar[str] = "tokenizer.json"
    unit: ClassVar[str] = "token"

    def __init__(self, tokenizer: Any) -> None:
        """A `tokenizers.Tokenizer`."""
        self._tokenizer = tokenizer

    @classmethod
    def learn(cls, text: str, size: int) -> BytePairs:
        """Find `size` tokens in a text, or as many as it has pairs for.

        Raises      InputError where the package is not installed, or size is below 256.
        """
        if size < BYTES:
            raise InputError(
                f'vocabulary is at least {BYTES} for tokens = "bpe", the bytes that it begins '
                f"with; found {size}"
            )
        library = _tokenizers()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator([text], trainer)
        return cls(tokenizer)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def decode(self, ids: NDArray[Any] | Sequence[int]) -> str:
        """The text of such ids. Bytes that are no character, as where the ids end within one, are
        shown as U+FFFD."""
        return str(self._tokenizer.decode(checked(ids, len(self)).tolist()))

    def save(self, folder: Path) -> None:
        write_text(folder / self.file, self._tokenizer.to_str(pretty=True) + "\n")

    @classmethod
    def read(cls, path: Path) -> BytePairs:
        """Raises      DamagedFileError where the file is not a tokenizer's."""
        library = _tokenizers()
        content = path.read_bytes()
        try:
            return cls(library.Tokenizer.from_buffer(content))
        except ValueError as error:
            raise DamagedFileError(f"{path} is not a tokenizer ({error}): restore it") from None


def _code_points(text: str) -> NDArray[np.uint32]:
    # What a terminal hands on may hold halves of characters, to be named and not to crash.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def checked(ids: NDArray[Any] | Sequence[int], size: int) -> Ids:
    """Ids in one row.

    Raises      InputError for a number that is not an id.
    """
    places = np.asarray(ids, dtype=np.int64).reshape(-1)
    wrong = places[(places < 0) | (places >= size)]
    if len(wrong):
        raise InputError(f"an id is a number from 0 to {size - 1}, found {wrong[0]}")
    return places


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "tokens = \"bpe\" needs the package tokenizers: pip install 'byhand[text]'"
        ) from None
    return tokenizers
