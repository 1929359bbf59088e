"""The tokenizer inside a GGUF file.

Source      docs/gguf.md of ggml, "Tokenizer"; `gguf/constants.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from byhand.checkpoints import gguf_write, sentencepiece, tokenizer_json
from byhand.checkpoints.gguf import LongArray
from byhand.checkpoints.vocabulary import BYTE_LEVEL, SENTENCEPIECE, Kind, Vocabulary
from byhand.errors import InputError

PREFIX = "tokenizer.ggml."
TEMPLATE = "tokenizer.chat_template"
SPECIAL = ("bos", "eos", "eot", "eom", "unknown", "padding")
FLAGS = {"add_bos": "add_bos_token", "add_eos": "add_eos_token", "add_space": "add_space_prefix"}


class GGUFTokenizer:
    """Read when it is asked for: a vocabulary is most of a header."""

    def __init__(self, metadata: Mapping[str, Any], path: Path) -> None:
        self.metadata, self.path = metadata, path

    @property
    def chat_template(self) -> str | None:
        template = self.metadata.get(TEMPLATE)
        return template if isinstance(template, str) else None

    def vocabulary(self) -> Vocabulary:
        """The words.

        Raises      InputError for another kind of tokenizer, and where its lists do not fit
        """
        return self._vocabulary

    def files(self) -> dict[str, bytes]:
        """tokenizer.json, tokenizer_config.json, and tokenizer.model for SentencePiece."""
        vocabulary = self.vocabulary()
        files = tokenizer_json.written(vocabulary, self.path)
        if vocabulary.model == SENTENCEPIECE:
            files["tokenizer.model"] = sentencepiece.written(vocabulary)
        return files

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        model = self.metadata.get(f"{PREFIX}model")
        if model not in (BYTE_LEVEL, SENTENCEPIECE):
            raise InputError(
                f"{self.path}: its tokenizer is of the kind {model!r:.40}; supported are gpt2 "
                "(byte-level BPE) and llama (SentencePiece BPE)"
            )
        words = self._list("tokens", str)
        kinds = self._list("token_type", int) or [Kind.NORMAL] * len(words)
        scores = self._list("scores", float) if model == SENTENCEPIECE else []
        special = {
            role: k
            for role in SPECIAL
            if type(k := self.metadata.get(f"{PREFIX}{role}_token_id")) is int
        }
        fits = len(kinds) == len(words) and (model == BYTE_LEVEL or len(scores) == len(words))
        if not words or not fits or not all(0 <= k < len(words) for k in special.values()):
            raise InputError(
                f"{self.path}: its tokenizer has {len(words):,} words, and types, scores or "
                "special words that do not fit them; fetch the model again"
            )
        # Where the file says nothing, llama.cpp begins a text with bos and a space, or neither.
        default = model == SENTENCEPIECE
        flags = {
            ours: bool(self.metadata.get(PREFIX + theirs, default and ours != "add_eos"))
            for ours, theirs in FLAGS.items()
        }
        merges = self._list("merges", str) if model == BYTE_LEVEL else []
        return Vocabulary(
            str(model),
            str(self.metadata.get(f"{PREFIX}pre", "default")),
            words,
            kinds,
            scores,
            [self._pair(merge) for merge in merges],
            special,
            chat_template=self.chat_template,
            **flags,
        )

    def _list(self, name: str, kind: type) -> list[Any]:
        value = self.metadata.get(PREFIX + name, [])
        values = value.values() if isinstance(value, LongArray) else value
        if not isinstance(values, list) or not all(isinstance(entry, kind) for entry in values):
            raise InputError(f"{self.path}: {PREFIX}{name} is no list of {kind.__name__}")
        return values

    def _pair(self, merge: str) -> tuple[str, str]:
        # Neither part begins or ends with a blank: in these vocabularies Ġ stands for it.
        left, _, right = merge.partition(" ")
        return left, right


def written(vocabulary: Vocabulary, rows: int) -> list[gguf_write.Field]:
    """The fields of a tokenizer for an embedding of so many rows, which may be more than words."""
    missing = range(len(vocabulary.words), rows)
    words = [*vocabulary.words[:rows], *(f"[PAD{k}]" for k in missing)]
    kinds = [*vocabulary.kinds[:rows], *(Kind.UNUSED for _ in missing)]
    fields = [
        gguf_write.text(f"{PREFIX}model", vocabulary.model),
        gguf_write.text(f"{PREFIX}pre", vocabulary.pre),
        gguf_write.texts(f"{PREFIX}tokens", words),
        gguf_write.numbers(f"{PREFIX}token_type", kinds, gguf_write.I32),
    ]
    if vocabulary.model == SENTENCEPIECE:
        scores = [*vocabulary.scores[:rows], *(-1000.0 for _ in missing)]
        fields.append(gguf_write.numbers(f"{PREFIX}scores", scores, gguf_write.F32))
    else:
        merges = [" ".join(pair) for pair in vocabulary.merges]
        fields.append(gguf_write.texts(f"{PREFIX}merges", merges))
    for role, k in vocabulary.special.items():
        if k < rows:
            fields.append(gguf_write.count(f"{PREFIX}{role}_token_id", k))
    for ours, theirs in FLAGS.items():
        fields.append(gguf_write.flag(PREFIX + theirs, getattr(vocabulary, ours)))
    if vocabulary.chat_template is not None:
        fields.append(gguf_write.text(TEMPLATE, vocabulary.chat_template))
    return fields
