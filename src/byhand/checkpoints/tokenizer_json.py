"""tokenizer.json and tokenizer_config.json, from the words of a GGUF file and back.

Source      the serialized form of the `tokenizers` library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from byhand.checkpoints import pretokenizers
from byhand.checkpoints.vocabulary import (
    ADDED,
    BYTE_LEVEL,
    END_OF_MESSAGE,
    END_OF_TURN,
    LONGEST_WORD,
    SENTENCEPIECE,
    Kind,
    Vocabulary,
)
from byhand.errors import InputError

Json = dict[str, Any]
PADDED = re.compile(r"\[PAD\d+\]")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
SPACE = "▁"


def written(vocabulary: Vocabulary, origin: object) -> dict[str, bytes]:
    """tokenizer.json and tokenizer_config.json.

    Raises      InputError for a byte-level tokenizer that cuts text in an unknown way, and for
                words that are none
    """
    # Not indented: the encoder that indents takes seconds for a large vocabulary.
    return {
        "tokenizer.json": json.dumps(_tokenizer(vocabulary, origin), ensure_ascii=False).encode(),
        "tokenizer_config.json": json.dumps(_settings(vocabulary), indent=2).encode(),
    }


def _tokenizer(vocabulary: Vocabulary, origin: object) -> Json:
    words, kinds = vocabulary.words, vocabulary.kinds
    byte_level = vocabulary.model == BYTE_LEVEL
    replaced = not byte_level and not vocabulary.add_space
    last = len(words)
    while last and kinds[last - 1] == Kind.UNUSED and PADDED.fullmatch(words[last - 1]):
        last -= 1  # rows of the embedding that have no word
    numbers = {words[k]: k for k in range(last - 1, -1, -1)}  # of two, the first
    added = [
        {
            "id": k,
            "content": words[k],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            # Such a word may be of spaces, so it is found after they were replaced; but where a
            # space is put before a text, one would be put before the word as well.
            "normalized": kinds[k] == Kind.USER_DEFINED and replaced,
            "special": kinds[k] != Kind.USER_DEFINED,
        }
        for k in range(last)
        if kinds[k] in ADDED
    ]
    unknown = vocabulary.special.get("unknown")
    model: Json = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None if byte_level or unknown is None else words[unknown],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": not byte_level,
        "byte_fallback": not byte_level,
        "ignore_merges": False,
        "vocab": numbers,
    }
    whole: Json = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    if byte_level:
        name, _ = pretokenizers.steps(vocabulary.pre, origin)
        model["ignore_merges"] = name in pretokenizers.WHOLE_WORDS
        model["merges"] = _spelled(vocabulary.merges)
        byte_pieces = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
        whole["normalizer"] = pretokenizers.NORMALIZERS.get(name)
        whole["pre_tokenizer"] = pretokenizers.pre_tokenizer(name, origin)
        whole["decoder"] = {**byte_pieces, "use_regex": True}
    else:
        if max(map(len, words), default=0) > LONGEST_WORD:
            raise InputError(
                f"{origin}: its tokenizer has a word of more than {LONGEST_WORD} letters; fetch "
                "the model again"
            )
        model["merges"] = _spelled(_merges(vocabulary, numbers))
        whole |= _around_sentencepiece(vocabulary.add_space)
    whole["post_processor"] = _template(vocabulary)
    return {**whole, "model": model}


def _spelled(merges: Sequence[tuple[str, str]]) -> list[str] | list[list[str]]:
    """Each pair as one text where no blank is in a word: read in half the time."""
    texts = [f"{left} {right}" for left, right in merges]
    if all(text.count(" ") == 1 for text in texts):
        return texts
    return [list(pair) for pair in merges]


def _merges(vocabulary: Vocabulary, numbers: Mapping[str, int]) -> list[tuple[str, str]]:
    """SentencePiece merges the pair that gives the word of the highest score; here each such pair
    is written out, best first."""
    kinds, scores, words = vocabulary.kinds, vocabulary.scores, vocabulary.words
    known = {int(kind) for kind in (Kind.NORMAL, Kind.UNUSED)}
    normal = {word: k for word, k in numbers.items() if kinds[k] in known}
    # Half a million pairs: in lists of numbers, which are sorted together.
    ranks: list[float] = []
    lefts: list[int] = []
    rights: list[int] = []
    for word, k in normal.items():
        for cut in range(1, len(word)):
            if word[:cut] in normal and word[cut:] in normal:
                ranks.append(-scores[k])
                lefts.append(normal[word[:cut]])
                rights.append(normal[word[cut:]])
    order = np.lexsort((rights, lefts, ranks))
    left, right = (np.array(side, np.int64)[order].tolist() for side in (lefts, rights))
    return list(zip(map(words.__getitem__, left), map(words.__getitem__, right), strict=True))


def _around_sentencepiece(add_space: bool) -> Json:
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    decoders: list[Json] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    normalizer: Json = replace
    if add_space:
        prepend = {"type": "Prepend", "prepend": SPACE}
        normalizer = {"type": "Sequence", "normalizers": [prepend, replace]}
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": normalizer,
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
    }


def _template(vocabulary: Vocabulary) -> Json | None:
    def special(role: str, wanted: bool, kind: int) -> list[Json]:
        if not wanted or role not in vocabulary.special:
            return []
        return [{"SpecialToken": {"id": word(role), "type_id": kind}}]

    def word(role: str) -> str:
        return vocabulary.words[vocabulary.special[role]]

    def around(name: str, kind: int) -> list[Json]:
        return [
            *special("bos", vocabulary.add_bos, kind),
            {"Sequence": {"id": name, "type_id": kind}},
            *special("eos", vocabulary.add_eos, kind),
        ]

    used = [
        role
        for role, wanted in (("bos", vocabulary.add_bos), ("eos", vocabulary.add_eos))
        if wanted and role in vocabulary.special
    ]
    if not used:
        return None
    tokens = {
        word(role): {
            "id": word(role),
            "ids": [vocabulary.special[role]],
            "tokens": [word(role)],
        }
        for role in used
    }
    return {
        "type": "TemplateProcessing",
        "single": around("A", 0),
        "pair": [*around("A", 0), *around("B", 1)],
        "special_tokens": tokens,
    }


def _settings(vocabulary: Vocabulary) -> Json:
    settings: Json = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": vocabulary.add_bos,
        "add_eos_token": vocabulary.add_eos,
        "clean_up_tokenization_spaces": False,
    }
    for role, name in ROLES.items():
        if role in vocabulary.special:
            settings[name] = vocabulary.words[vocabulary.special[role]]
    if vocabulary.chat_template is not None:
        settings["chat_template"] = vocabulary.chat_template
    return settings


def read(tokenizer: Json, settings: Json, template: str | None, origin: object) -> Vocabulary:
    """The words of a tokenizer.json.

    settings    tokenizer_config.json, or an empty table
    template    the chat template

    Raises      InputError for tokenizers that GGUF knows under no name
    """
    model = tokenizer.get("model") or {}
    if model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise InputError(
            f"{origin}: its tokenizer is of the type {model.get('type')!r:.40}, expected BPE"
        )
    sentencepiece = bool(model.get("byte_fallback"))
    added = {int(token["id"]): token for token in tokenizer.get("added_tokens") or ()}
    by_number = {int(k): str(word) for word, k in model["vocab"].items()}
    by_number |= {k: str(token["content"]) for k, token in added.items()}
    if not by_number or min(by_number) < 0 or max(by_number) > 2 * len(by_number) + 1024:
        raise InputError(f"{origin}: the numbers of its words are no list from 0 on")
    words = [by_number.get(k, f"[PAD{k}]") for k in range(max(by_number) + 1)]
    unknown = model.get("unk_token")
    kinds = [
        _kind(k, word, added, k in by_number, word == unknown and sentencepiece, sentencepiece)
        for k, word in enumerate(words)
    ]
    merges = [_pair(merge) for merge in model.get("merges") or ()]
    begins, ends = _template_ends(tokenizer.get("post_processor"))
    return Vocabulary(
        SENTENCEPIECE if sentencepiece else BYTE_LEVEL,
        "default" if sentencepiece else pretokenizers.named(tokenizer["pre_tokenizer"], origin),
        words,
        kinds,
        _scores(words, merges) if sentencepiece else (),
        () if sentencepiece else merges,
        special_numbers(settings, words, unknown),
        begins or bool(settings.get("add_bos_token")),
        ends or bool(settings.get("add_eos_token")),
        _prepends(tokenizer),
        template,
    )


def _kind(
    k: int, word: str, added: Mapping[int, Json], there: bool, unknown: bool, sp: bool
) -> int:
    if not there:
        return Kind.UNUSED
    if unknown:
        return Kind.UNKNOWN
    if k in added:
        return Kind.CONTROL if added[k].get("special") else Kind.USER_DEFINED
    return Kind.BYTE if sp and BYTE.fullmatch(word) else Kind.NORMAL


def _pair(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _scores(words: list[str], merges: list[tuple[str, str]]) -> list[float]:
    """A word that is merged earlier has a higher score."""
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    return [-float(ranks.get(word, len(merges))) for word in words]


def _template_ends(processor: Json | None) -> tuple[bool, bool]:
    """Whether a post-processor puts a special word before and after a text."""
    for part in (processor or {}).get("processors", [processor or {}]):
        single = part.get("single") or []
        if part.get("type") == "TemplateProcessing" and single:
            return "SpecialToken" in single[0], "SpecialToken" in single[-1]
    return False, False


def _prepends(tokenizer: Json) -> bool:
    """Whether a space is put before a text."""
    before = tokenizer.get("pre_tokenizer") or {}
    if before.get("type") == "Metaspace":
        return bool(before.get("prepend_scheme", "always") != "never")
    normalizer = tokenizer.get("normalizer") or {}
    return any(p.get("type") == "Prepend" for p in normalizer.get("normalizers", [normalizer]))


def special_numbers(
    settings: Mapping[str, Any], words: list[str], unknown: str | None = None
) -> dict[str, int]:
    """The numbers of the special words that tokenizer_config.json names, and the ends of a turn."""
    numbers = {word: k for k, word in enumerate(words)}
    found = {}
    for role, name in ROLES.items():
        value = settings.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if role == "unknown" and text is None:
            text = unknown
        if text in numbers:
            found[role] = numbers[text]
    for role, texts in (("eot", END_OF_TURN), ("eom", END_OF_MESSAGE)):
        there = [numbers[text] for text in texts if text in numbers]
        if there:
            found[role] = there[0]
    return found
