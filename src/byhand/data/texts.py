"""Texts to learn from: cut into training, validation and test, and into windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byhand.data.files import TEXTS, fetch_file
from byhand.data.splits import Dataset, Split
from byhand.data.vocabulary import BytePairs, Characters, Ids, Vocabulary
from byhand.errors import InputError

KINDS = ("characters", "bpe")
STEPS = 64
PARTS = ("training", "validation", "test")


def text(
    source: str | Path,
    *,
    steps: int = STEPS,
    tokens: str = "characters",
    vocabulary: int | Vocabulary | None = None,
) -> Dataset:
    """A text as windows of tokens, each with the tokens that follow: "tiny-shakespeare", or a file.

    The first 90 % of the characters are for training, the next 5 % for validation and the last 5 %
    for testing, the two halves of the last 10 % that char-rnn and nanoGPT keep aside. No window
    crosses from one part into the next. What is left over at the end of a part, fewer than
    steps + 1 tokens, is not used.

    steps       tokens in a window
    tokens      "characters": those of the whole text, the last 10 % included, as in char-rnn and
                nanoGPT: which characters there are is no secret. "bpe": byte pairs, found in the
                training part alone
    vocabulary  how many tokens, for "bpe"; or a vocabulary that there is, such as a run's, in place
                of one that is made from this text
    Shapes      inputs[windows, steps] int64, the ids; targets[windows, steps] int64, each the id
                that comes after the input's
    Raises      InputError for a file that is missing, empty, not in UTF-8 or too short for one
                window in each part
    """
    check_choices(steps, tokens, vocabulary)
    name, content = _read(source)
    parts = _parts(content)
    if isinstance(vocabulary, Vocabulary):
        known = vocabulary
    elif vocabulary is None:
        known = Characters(content)
    else:
        known = BytePairs.learn(parts[0], vocabulary)
    ids = []
    for part, characters in zip(PARTS, parts, strict=True):
        try:
            ids.append(known.encode(characters))
        except InputError as error:
            raise InputError(f"{source}, {part} part: {error}") from None
    _check_length(source, content, ids, steps, known)
    train, validation, test = (windows(each, steps) for each in ids)
    return Dataset(name, train, validation, test, (), known)


def check_choices(steps: int, tokens: str, vocabulary: int | Vocabulary | None) -> None:
    """Refuse what `text` cannot be asked for, before anything is read.

    Raises      InputError
    """
    if steps < 1:
        raise InputError(f"steps is at least 1, found {steps}")
    if tokens not in KINDS:
        raise InputError(f"tokens is one of {', '.join(KINDS)}; found {tokens!r}")
    if tokens == "bpe" and vocabulary is None:
        raise InputError('tokens = "bpe" needs vocabulary, how many tokens to find, such as 512')
    if tokens == "characters" and isinstance(vocabulary, int):
        raise InputError(
            f'vocabulary = {vocabulary} is for tokens = "bpe"; the characters are as many as '
            "the text has: leave it out"
        )


def windows(ids: Ids, steps: int) -> Split:
    """Consecutive windows: inputs[k] = ids[k·steps : (k + 1)·steps], targets the same one later.

    Shapes      ids[tokens] -> inputs, targets[(tokens − 1) // steps, steps]
    """
    count = (len(ids) - 1) // steps
    used = ids[: count * steps + 1]
    return Split(used[:-1].reshape(count, steps), used[1:].reshape(count, steps))


def stream_order(windows: int, streams: int) -> NDArray[np.int64]:
    """The order in which `streams` readers go through a text side by side, each from a place of its
    own: with W = ⌊windows / streams⌋, batch k is the windows k, k + W, …, k + (streams − 1) W. So
    every row of a batch goes on where that row of the batch before ended. The last windows, fewer
    than `streams`, are left out.

    Shapes      -> order[W · streams]
    """
    length = windows // streams
    starts = length * np.arange(streams)
    return (np.arange(length)[:, None] + starts).reshape(-1)


def _read(source: str | Path) -> tuple[str, str]:
    """The name and the content."""
    if source in TEXTS:
        return str(source), fetch_file(str(source)).read_text(encoding="utf-8")
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected a text file in UTF-8")
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a text in UTF-8 (byte {error.start} is "
            f"0x{error.object[error.start]:02x}): save it as UTF-8"
        ) from None
    if not content:
        raise InputError(f"{path} is empty: expected a text")
    return path.stem, content


def _parts(content: str) -> tuple[str, str, str]:
    first, second = len(content) * 9 // 10, len(content) * 19 // 20
    return content[:first], content[first:second], content[second:]


def _check_length(
    source: str | Path, content: str, ids: list[Ids], steps: int, vocabulary: Vocabulary
) -> None:
    """Each part has to have a window and the token that comes after it."""
    part, shortest = min(zip(PARTS, map(len, ids), strict=True), key=lambda each: each[1])
    if shortest > steps:
        return
    advice = f"choose steps of at most {shortest - 1}, or " if shortest > 1 else ""
    raise InputError(
        f"{source} is too short, with {len(content)} characters: its {part} part has {shortest} "
        f"{vocabulary.unit}s, and a window of {steps} steps takes {steps + 1}; "
        f"{advice}take a longer text"
    )
