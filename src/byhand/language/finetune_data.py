"""What a model is to learn from, as tokens, and which of them the loss counts.

A text is cut into windows, and every token counts. In JSON Lines each line is an example:

    {"messages": [{"role": …, "content": …}, …]}    by the chat template; the assistant's counts
    {"prompt": …, "completion": …}                  the completion counts, and the end after it
    {"text": …}                                     every token counts, and the end after it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError
from byhand.language.tokenizer import Message, Tokenizer, check_messages

IGNORED = -100
"""The label of a token that does not count, as PyTorch's cross-entropy has it."""
VALIDATION_SHARE = 10
"""One in so many is to validate on."""
MOST_VALIDATION = 64
"""Examples to validate on, at most: a validation is to take no longer than a few steps."""
OPENING = 16
"""Tokens of a text that a sample goes on from."""
KEYS = ("messages", "prompt", "text")
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """Shapes      ids[time], labels[time]: the same ids, or `IGNORED`"""

    ids: Labels
    labels: Labels

    @property
    def counted(self) -> int:
        """How many predictions the loss averages; nothing predicts the first token."""
        return int((self.labels[1:] != IGNORED).sum())


@dataclass(frozen=True)
class Data:
    """What there is to learn from and to validate on.

    opening     what samples begin with: words, or a conversation that waits for an answer
    cut         examples that were longer than the context and lost their end
    left_out    those of which nothing that counts is within the context
    """

    train: list[Example]
    validation: list[Example]
    opening: str | Sequence[Message]
    kind: str
    cut: int = 0
    left_out: int = 0

    def __str__(self) -> str:
        said = f"{len(self.train):,} {self.kind} to learn from, {len(self.validation)} to check"
        if self.cut:
            said += f"; {self.cut:,} were cut at the context"
        if self.left_out:
            said += f"; {self.left_out:,} left out, with nothing to learn within the context"
        return said


def read(path: Path, tokenizer: Tokenizer, context: int) -> Data:
    """The examples in a .txt or .jsonl file.

    Of a text the last tenth is to validate on, of lines every tenth.

    context     the most tokens of an example

    Raises      InputError that names the line
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a text, or JSON Lines in .jsonl")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not in UTF-8 (byte {error.start:,}); convert it") from None
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _lines(path, text, tokenizer, context)
    if path.suffix.lower() == ".json":
        raise InputError(f"{path}: expected JSON Lines, one object a line, in a file named .jsonl")
    return _windows(path, text, tokenizer, context)


def _windows(path: Path, text: str, tokenizer: Tokenizer, context: int) -> Data:
    """Each window begins with the last token of the one before: all are predicted once."""
    at = len(text) - len(text) // VALIDATION_SHARE
    parts = [
        np.array(tokenizer.encode(part, special=False), np.int64) for part in (text[:at], text[at:])
    ]
    train, validation = (
        [
            Example(ids[k : k + context], ids[k : k + context])
            for k in range(0, len(ids) - context + 1, context - 1)
        ]
        for ids in parts
    )
    if not train or not validation:
        raise InputError(
            f"{path} has {len(parts[0]):,} tokens to learn from and {len(parts[1]):,} to validate "
            f"on, and a window has {context}: give a longer text or a smaller --context"
        )
    opening = tokenizer.decode(parts[1][:OPENING].tolist())
    return Data(train, _spread(validation), opening, f"windows of {context} tokens")


def _lines(path: Path, text: str, tokenizer: Tokenizer, context: int) -> Data:
    examples: list[Example] = []
    opening: list[str | Sequence[Message]] = []
    cut = left_out = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is no JSON ({error!s:.80})") from None
        ids, labels = _example(row, tokenizer, where)
        made = Example(ids[:context], labels[:context])
        if not made.counted:
            left_out += 1
            continue
        cut += len(ids) > context
        examples.append(made)
        opening.append(_opening(row, tokenizer))
    if len(examples) < 2:
        within = f" within {context} tokens" if left_out else ""
        raise InputError(f"{path} has {len(examples)} examples{within}; expected two or more")
    apart = range(VALIDATION_SHARE - 1, len(examples), VALIDATION_SHARE) or [len(examples) - 1]
    held = set(apart)
    train = [example for k, example in enumerate(examples) if k not in held]
    validation = [examples[k] for k in apart]
    return Data(train, _spread(validation), opening[apart[0]], "examples", cut, left_out)


def _spread(examples: list[Example]) -> list[Example]:
    """At most so many, evenly over all of them."""
    count = min(len(examples), MOST_VALIDATION)
    return [examples[k * len(examples) // count] for k in range(count)]


def _example(row: Any, tokenizer: Tokenizer, where: str) -> tuple[Labels, Labels]:
    found = [key for key in KEYS if isinstance(row, dict) and key in row]
    if len(found) != 1:
        raise InputError(
            f'{where}: expected an object with "messages", with "prompt" and "completion", or with '
            f'"text", found {json.dumps(row, ensure_ascii=False)[:60]}'
        )
    if found[0] == "messages":
        return _conversation(row["messages"], tokenizer, where)
    texts = ("text",) if found[0] == "text" else ("prompt", "completion")
    for key in texts:
        if not isinstance(row.get(key), str):
            raise InputError(f"{where}: {key} is a text, found {row.get(key)!r:.60}")
    prompt = row["prompt"] if found[0] == "prompt" else ""
    ids = tokenizer.encode(prompt + row[texts[-1]])
    first = _common(tokenizer.encode(prompt), ids) if prompt else 0
    if (end := _end(tokenizer)) is not None and ids[-1:] != [end]:
        ids.append(end)
    labels = np.array(ids, np.int64)
    labels[:first] = IGNORED
    return np.array(ids, np.int64), labels


def _conversation(messages: Any, tokenizer: Tokenizer, where: str) -> tuple[Labels, Labels]:
    """What the assistant says begins where the prompt for it ends, token by token."""
    try:
        said = check_messages(messages)
        ids = _tokens(said, tokenizer)
        labels = np.full(len(ids), IGNORED, np.int64)
        for k, message in enumerate(said):
            if message["role"] != "assistant":
                continue
            asked = _tokens(said[:k], tokenizer, answering=True) if k else []
            answered = _tokens(said[: k + 1], tokenizer)
            first, end = _common(asked, ids), _common(answered, ids)
            labels[first:end] = ids[first:end]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if (labels == IGNORED).all():
        raise InputError(f"{where}: nothing is said by the assistant, so there is nothing to learn")
    return np.array(ids, np.int64), labels


def _tokens(said: Sequence[Message], tokenizer: Tokenizer, answering: bool = False) -> list[int]:
    return tokenizer.encode(tokenizer.prompt(said, answering), special=False)


def _opening(row: Any, tokenizer: Tokenizer) -> str | Sequence[Message]:
    """What comes before the part that counts."""
    if "messages" in row:
        said: list[Message] = row["messages"]
        last = max(k for k, message in enumerate(said) if message["role"] == "assistant")
        return said[:last] if last else said
    if row.get("prompt"):
        return str(row["prompt"])
    text = row["text"] if "text" in row else row["completion"]
    return tokenizer.decode(tokenizer.encode(text, special=False)[:OPENING])


def _end(tokenizer: Tokenizer) -> int | None:
    word = tokenizer.special.get("eos_token")
    return None if word is None else tokenizer.id_of(word)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens at the beginning are the same."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((k for k, (one, other) in pairs if one != other), min(len(a), len(b)))
