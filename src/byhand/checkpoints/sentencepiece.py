"""tokenizer.model of SentencePiece: a message of protocol buffers, read and written field by field.

Source      `sentencepiece_model.proto`; the wire format of protocol buffers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from byhand.checkpoints.vocabulary import SENTENCEPIECE, Kind, Vocabulary
from byhand.errors import InputError

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
BPE = 2
PIECES, TRAINER, NORMALIZER = 1, 2, 3
PIECE, SCORE, KIND = 1, 2, 3
MODEL_TYPE, VOCABULARY_SIZE, BYTE_FALLBACK = 3, 4, 35
NUMBERS = {"unknown": 40, "bos": 41, "eos": 42, "padding": 43}
TEXTS = {"unknown": 45, "bos": 46, "eos": 47, "padding": 48}
NAME, ADD_SPACE, REMOVE_SPACES, ESCAPE_SPACES = 1, 3, 4, 5
DEFAULT_NUMBERS = {"unknown": 0, "bos": 1, "eos": 2, "padding": -1}
LONGEST_VARINT = 10


def read(content: bytes, origin: object) -> Vocabulary:
    """The words of the file.

    Raises      InputError where it is damaged, or of another algorithm than BPE
    """
    words: list[str] = []
    kinds: list[int] = []
    scores: list[float] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    try:
        for number, value in _fields(content):
            if number == PIECES:
                piece = dict(_fields(value))
                words.append(str(piece[PIECE], "utf-8"))
                scores.append(struct.unpack("<f", piece.get(SCORE, bytes(4)))[0])
                kinds.append(int(piece.get(KIND, Kind.NORMAL)))
            elif number in (TRAINER, NORMALIZER):
                (trainer if number == TRAINER else normalizer).update(_fields(value))
    except (KeyError, ValueError, TypeError, IndexError, struct.error):
        raise InputError(
            f"{origin} is truncated or no model of SentencePiece; fetch it again"
        ) from None
    if not words or trainer.get(MODEL_TYPE, 1) != BPE:
        raise InputError(
            f"{origin} is a SentencePiece model of another algorithm than BPE, the only one that "
            "byhand converts"
        )
    special = {
        role: int(trainer.get(field, DEFAULT_NUMBERS[role])) for role, field in NUMBERS.items()
    }
    return Vocabulary(
        SENTENCEPIECE,
        "default",
        words,
        kinds,
        scores,
        special={role: k for role, k in special.items() if 0 <= k < len(words)},
        add_bos=True,
        add_space=bool(normalizer.get(ADD_SPACE, 1)),
    )


def written(vocabulary: Vocabulary) -> bytes:
    """The file with these words."""
    out = bytearray()
    whole, text_key, score_key = _key(PIECES, LENGTH), _key(PIECE, LENGTH), _key(SCORE, FOUR_BYTES)
    for word, kind, score in zip(
        vocabulary.words, vocabulary.kinds, vocabulary.scores, strict=True
    ):
        text = word.encode()
        piece = text_key + _varint(len(text)) + text + score_key + struct.pack("<f", score)
        if kind != Kind.NORMAL:
            piece += _number(KIND, kind)
        out += whole + _varint(len(piece)) + piece
    trainer = _number(MODEL_TYPE, BPE) + _number(VOCABULARY_SIZE, len(vocabulary.words))
    trainer += _number(BYTE_FALLBACK, int(Kind.BYTE in vocabulary.kinds))
    for role, field in NUMBERS.items():
        k = vocabulary.special.get(role, -1)
        trainer += _number(field, k)
        if k >= 0:
            trainer += _text(TEXTS[role], vocabulary.words[k])
    spaces = int(vocabulary.add_space)
    normalizer = _text(NAME, "identity") + _number(ADD_SPACE, spaces)
    normalizer += _number(REMOVE_SPACES, 0) + _number(ESCAPE_SPACES, 1)
    for number, message in ((TRAINER, trainer), (NORMALIZER, normalizer)):
        out += _key(number, LENGTH) + _varint(len(message)) + message
    return bytes(out)


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: its number, and a count or bytes."""
    at, end = 0, len(content)
    while at < end:
        key, at = _read_varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _read_varint(content, at)
            yield number, value
            continue
        length, at = _read_varint(content, at) if wire == LENGTH else (FIXED[wire], at)
        if length > end - at:
            raise ValueError("a field ends after the message")
        yield number, content[at : at + length]
        at += length


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * LONGEST_VARINT, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            # Negative numbers are written as those of 64 bits.
            return (value - 2**64 if value >= 2**63 else value), at
    raise ValueError("a number of more than 64 bits")


def _varint(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes((value,))
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _number(number: int, value: int) -> bytes:
    return _key(number, VARINT) + _varint(value)


def _text(number: int, text: str) -> bytes:
    return _key(number, LENGTH) + _varint(len(text.encode())) + text.encode()
