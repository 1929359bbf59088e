"""The tokenizer in the files of a folder: Hugging Face's tokenizer.json, and the tokenizer.model of
SentencePiece or of Llama 3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from byhand.checkpoints import pretokenizers, sentencepiece, tiktoken, tokenizer_json
from byhand.checkpoints.description import Tokenizer
from byhand.checkpoints.settings import sound
from byhand.checkpoints.vocabulary import BYTE_LEVEL, SENTENCEPIECE, Kind, Vocabulary
from byhand.errors import InputError

JSON, MODEL, SETTINGS = "tokenizer.json", "tokenizer.model", "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
FILES = (
    *(JSON, MODEL, SETTINGS, TEMPLATE),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
)
LARGEST_JSON = 2**28


class FileTokenizer:
    """What a folder holds of a tokenizer; its files are read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, folder: Path) -> FileTokenizer | None:
        """The tokenizer of this folder, or None where it has no file of one."""
        there = any((folder / name).is_file() for name in (JSON, MODEL))
        return cls(folder) if there else None

    @property
    def chat_template(self) -> str | None:
        if (self.folder / TEMPLATE).is_file():
            return (self.folder / TEMPLATE).read_text("utf-8", errors="replace")
        template = self.settings.get("chat_template")
        if isinstance(template, list):  # several by name
            named = [entry for entry in template if isinstance(entry, dict)]
            template = next((e.get("template") for e in named if e.get("name") == "default"), None)
        return template if isinstance(template, str) else None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """tokenizer_config.json, or an empty table."""
        path = self.folder / SETTINGS
        return read_json(path) if path.is_file() else {}

    def files(self) -> dict[str, bytes]:
        """All files of the tokenizer, as they are; tokenizer.json is made where it is missing."""
        found = {
            name: (self.folder / name).read_bytes()
            for name in FILES
            if (self.folder / name).is_file()
        }
        if JSON not in found:
            found = tokenizer_json.written(self.vocabulary(), self.folder) | found
        return found

    def vocabulary(self) -> Vocabulary:
        """The words as GGUF has them.

        Raises      InputError for a tokenizer that is damaged, or that GGUF does not know
        """
        with sound("tokenizer", self.folder):
            return self._vocabulary()

    def _vocabulary(self) -> Vocabulary:
        model, description = self.folder / MODEL, self.folder / JSON
        if not description.is_file():
            return self._complete(self._from_model(model))
        if model.is_file() and not tiktoken.looks_like(content := model.read_bytes()):
            return self._complete(self._merged(sentencepiece.read(content, model), description))
        tokenizer = read_json(description)
        return tokenizer_json.read(tokenizer, self.settings, self.chat_template, description)

    def _from_model(self, model: Path) -> Vocabulary:
        content = model.read_bytes()
        if tiktoken.looks_like(content):
            return tiktoken.read(content, model)
        return sentencepiece.read(content, model)

    def _merged(self, vocabulary: Vocabulary, description: Path) -> Vocabulary:
        """With the words that were added to SentencePiece's, and special words marked as such."""
        words, kinds = list(vocabulary.words), list(vocabulary.kinds)
        scores = list(vocabulary.scores)
        for token in sorted(
            read_json(description).get("added_tokens") or (), key=lambda t: t["id"]
        ):
            k, special = token["id"], bool(token["special"])
            while len(words) < min(k, 2 * len(vocabulary.words)):
                words.append(f"[PAD{len(words)}]")
                kinds.append(Kind.UNUSED)
                scores.append(-1000.0)
            kind = Kind.CONTROL if special else Kind.USER_DEFINED
            if k == len(words):
                words.append(token["content"])
                kinds.append(kind)
                scores.append(-1000.0)
            elif kinds[k] not in (Kind.UNKNOWN, Kind.BYTE):
                words[k], kinds[k] = token["content"], kind
        return replace(vocabulary, words=words, kinds=kinds, scores=scores)

    def _complete(self, vocabulary: Vocabulary) -> Vocabulary:
        """With what tokenizer_config.json says."""
        named = tokenizer_json.special_numbers(self.settings, list(vocabulary.words))
        return replace(
            vocabulary,
            special=vocabulary.special | named,
            add_bos=bool(self.settings.get("add_bos_token", vocabulary.add_bos)),
            add_eos=bool(self.settings.get("add_eos_token", vocabulary.add_eos)),
            chat_template=self.chat_template,
        )


def model_file(vocabulary: Vocabulary) -> bytes | None:
    """tokenizer.model, or None where neither SentencePiece nor Llama 3 could have made this one."""
    if vocabulary.model == SENTENCEPIECE:
        return sentencepiece.written(vocabulary)
    name = pretokenizers.SAME.get(vocabulary.pre, vocabulary.pre)
    normal = sum(kind == Kind.NORMAL for kind in vocabulary.kinds)
    first = all(kind == Kind.NORMAL for kind in vocabulary.kinds[:normal])
    special = list(vocabulary.words[normal:])
    if vocabulary.model == BYTE_LEVEL and name == "llama-bpe" and first:
        return tiktoken.written(vocabulary) if special == tiktoken.special_words() else None
    return None


def loaded(tokenizer: Tokenizer, name: object) -> Any:
    """The tokenizer as the library `tokenizers` has it.

    name        what the error calls the model

    Raises      InputError where the library cannot read tokenizer.json
    """
    from tokenizers import Tokenizer as Words

    content = tokenizer.files()[JSON]
    try:
        words = Words.from_buffer(content)
        words.encode("a")  # some of what is wrong comes out when it is used
    except BaseException as error:
        # The library has no class of its own, and what Rust calls a panic is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: {JSON} cannot be read ({reason:.80}); fetch it again") from None
    return words


def read_json(path: Path) -> dict[str, Any]:
    """A table in a JSON file.

    Raises      InputError where it is missing, too large, or no such table
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise InputError(f"{path} is larger than {LARGEST_JSON:,} bytes; fetch it again")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is truncated or no JSON; fetch it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no table; fetch it again")
    return content


def as_json(content: Mapping[str, Any]) -> bytes:
    """As Hugging Face writes it."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
