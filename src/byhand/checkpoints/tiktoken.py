"""tokenizer.model of Llama 3: one word a line, its bytes in base 64 and its rank.

A pair of words is merged before another when the word it makes has the lower rank.

Source      `tiktoken/load.py`, and `tokenizer.py` of Meta's Llama 3 for the special words.
"""

from __future__ import annotations

import base64
import binascii
from functools import cache
from itertools import pairwise

from byhand.checkpoints.vocabulary import BYTE_LEVEL, LONGEST_WORD, Kind, Vocabulary
from byhand.errors import InputError

RESERVED = 256
_NAMED = {
    0: "<|begin_of_text|>",
    1: "<|end_of_text|>",
    4: "<|finetune_right_pad_id|>",
    6: "<|start_header_id|>",
    7: "<|end_header_id|>",
    8: "<|eom_id|>",
    9: "<|eot_id|>",
    10: "<|python_tag|>",
}


@cache
def letters() -> tuple[str, ...]:
    """The letter that stands for each byte in byte-level vocabularies, as GPT-2 chose them: a byte
    that prints stands for itself, the others are numbered from 256 on."""
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (k for k in range(256) if k not in printed)
    shifted = {k: chr(256 + n) for n, k in enumerate(others)}
    return tuple(shifted.get(k, chr(k)) for k in range(256))


def special_words() -> list[str]:
    """Llama 3.1's special words in their order, after all others."""
    names, reserved = [], 0
    for k in range(RESERVED):
        if k in _NAMED:
            names.append(_NAMED[k])
        else:
            names.append(f"<|reserved_special_token_{reserved}|>")
            reserved += 1
    return names


def looks_like(content: bytes) -> bool:
    """Whether this is such a file, and not SentencePiece's."""
    parts = content[:4096].split(b"\n")[0].split(b" ")
    return len(parts) == 2 and parts[1].strip().isdigit()


def read(content: bytes, origin: object) -> Vocabulary:
    """The words of the file and Llama 3.1's special ones.

    Raises      InputError where a line is none, or the ranks are no list from 0 on
    """
    ranks: dict[bytes, int] = {}
    try:
        for line in content.splitlines():
            word, rank = line.split()
            ranks[base64.b64decode(word, validate=True)] = int(rank)
    except (ValueError, binascii.Error):
        raise InputError(
            f"{origin} is truncated or no vocabulary of tiktoken; fetch it again"
        ) from None
    ordered = sorted(ranks, key=ranks.__getitem__)
    if [ranks[word] for word in ordered] != list(range(len(ordered))):
        raise InputError(f"{origin}: its ranks are no list from 0 on; fetch it again")
    if any(len(word) > LONGEST_WORD for word in ordered):
        raise InputError(
            f"{origin}: it has a word of more than {LONGEST_WORD} bytes; fetch it again"
        )
    special = special_words()
    words = [_spelled(word) for word in ordered] + special
    number = {word: len(ordered) + k for k, word in enumerate(special)}
    return Vocabulary(
        BYTE_LEVEL,
        "llama-bpe",
        words,
        [Kind.NORMAL] * len(ordered) + [Kind.CONTROL] * len(special),
        merges=[pair for word in ordered if len(word) > 1 for pair in _merge(word, ranks)],
        special={
            "bos": number["<|begin_of_text|>"],
            "eos": number["<|end_of_text|>"],
            "eot": number["<|eot_id|>"],
            "eom": number["<|eom_id|>"],
        },
        add_bos=True,
    )


def written(vocabulary: Vocabulary) -> bytes:
    """The file with the words of a byte-level vocabulary; special ones are not part of it."""
    values = {letter: k for k, letter in enumerate(letters())}
    lines = []
    for rank, (word, kind) in enumerate(zip(vocabulary.words, vocabulary.kinds, strict=True)):
        if kind == Kind.NORMAL:
            content = bytes(values[letter] for letter in word)
            lines.append(base64.b64encode(content) + b" %d\n" % rank)
    return b"".join(lines)


def _spelled(word: bytes) -> str:
    alphabet = letters()
    return "".join(alphabet[byte] for byte in word)


def _merge(word: bytes, ranks: dict[bytes, int]) -> list[tuple[str, str]]:
    """The last merge that makes this word: merge its bytes as long as that gives another word."""
    parts = [bytes([byte]) for byte in word]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, len(ranks)) for a, b in pairwise(parts)]
        best = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[best] >= ranks[word]:
            return []  # never reached by merging, only taken whole
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return [(_spelled(parts[0]), _spelled(parts[1]))]
