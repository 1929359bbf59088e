"""Pairs of sentences to learn a translation from, and tasks that are pairs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byhand.data.files import PAIRS, fetch_file
from byhand.data.languages import Languages, begin, sentence
from byhand.data.splits import Dataset, Split
from byhand.data.vocabulary import BytePairs, Characters, Ids, Vocabulary
from byhand.data.words import Words
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.randomness import batch_order, stream

logger = logging.getLogger(__name__)
KINDS = ("words", "bpe", "characters")
SIZE, LONGEST, LONGEST_OF_TASKS = 8000, 20, 10
SHARES = (0.9, 0.05, 0.05)
POOL = 64
"""Batches whose sentences are sorted by length together."""
SYMBOLS = "abcdefghijklmnopqrstuvwxyz"

Pair = tuple[str, str]
Place = str | Path


def pairs(
    source: Place | Sequence[Place],
    *,
    longest: int = LONGEST,
    tokens: str = "words",
    vocabulary: int | Languages | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Sentences with their translations: "fra-eng", "verses", a file of two columns in UTF-8,
    separated by a tab, the source first, or two files, of which each line of the second translates
    that of the first.

    90 % of the pairs are for training, 5 % for validation and 5 % for testing. Pairs that share a
    sentence, in either language, stay together: a sentence of a test has not been seen.

    longest     tokens of a sentence at most; pairs with a longer one are left out
    tokens      "words" or "bpe", those of the training part, or "characters", those of all
    vocabulary  how many of them in each language, the most frequent, 8,000 unless given; of
                characters all. Or the languages that there are, such as a run's
    limit       pairs at most, drawn from all
    seed        of which pairs are for what
    Shapes      inputs[pairs, 2, longest + 1] int64: the source with <eos> behind it, and the target
                with <bos> before it; −1 behind both. targets[pairs, longest + 1] int64, the target
                with <eos> behind it, −1 behind that
    Raises      InputError for a file that is missing, empty or not in UTF-8, and for a line that is
                no pair, by its number
    """
    check_choices(longest, tokens, vocabulary, limit)
    name, found = _read(source)
    parts = _divided(found, limit, seed)
    if isinstance(vocabulary, Languages):
        languages = vocabulary
    else:
        learn = _learner(tokens, SIZE if vocabulary is None else vocabulary)
        known = [p for part in parts for p in part] if tokens == "characters" else parts[0]
        columns = [[pair[k] for pair in known] for k in (0, 1)]
        languages = Languages(learn(columns[0]), learn(columns[1]))
    splits = [split_of(part, languages, longest) for part in parts]
    left, read = sum(map(len, splits)), sum(map(len, parts))
    logger.info("%s: %d of %d pairs have at most %d tokens", name, left, read, longest)
    for part, split in zip(("training", "validation", "test"), splits, strict=True):
        if not len(split):
            raise InputError(
                f"{name} has no pair left for its {part} part: {left} of {read} have at most "
                f"{longest} tokens; raise longest, or take more pairs"
            )
    train, validation, test = splits
    return Dataset(name, train, validation, test, (), languages=languages)


def check_choices(
    longest: int, tokens: str, vocabulary: int | Languages | None, limit: int | None = None
) -> None:
    """Refuse what `pairs` cannot be asked for, before anything is read.

    Raises      InputError
    """
    if longest < 1:
        raise InputError(f"longest is at least 1, found {longest}")
    if limit is not None and limit < 1:
        raise InputError(f"limit is at least 1, found {limit}")
    if tokens not in KINDS:
        raise InputError(f"tokens is one of {', '.join(KINDS)}; found {tokens!r}")
    if tokens == "characters" and isinstance(vocabulary, int):
        raise InputError(
            f'vocabulary = {vocabulary} is for tokens = "words" or "bpe"; the characters are as '
            "many as the sentences have: leave it out"
        )


TASKS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "copy": lambda symbols: symbols,
    "reverse": lambda symbols: symbols[::-1],
    "sort": np.sort,
}
"""What the target is made of the source."""


def task(
    name: str,
    *,
    longest: int = LONGEST_OF_TASKS,
    symbols: int = 16,
    examples: int = 20_000,
    seed: int = 0,
) -> Dataset:
    """Pairs of which the second follows from the first: it is copied, reversed or sorted.

    Each source is 1 to `longest` of the first letters of the alphabet, all lengths equally often
    and all letters. There are `examples` to train on and a tenth as many, at least 100, for
    validation and for testing; no source of more than 3 letters is in two of the parts.

    symbols     how many letters
    Shapes      as `pairs`
    Raises      InputError
    """
    for argument, value, least in (
        ("longest", longest, 1),
        ("symbols", symbols, 2),
        ("examples", examples, 1),
    ):
        if value < least:
            raise InputError(f"{argument} is at least {least}, found {value}")
    if name not in TASKS:
        raise InputError(f"the task is one of {', '.join(TASKS)}; found {name!r}")
    if symbols > len(SYMBOLS):
        raise InputError(f"symbols is at most {len(SYMBOLS)}, found {symbols}")
    rng, others = stream(seed, "tasks"), max(100, examples // 10)
    letters = np.array(list(SYMBOLS[:symbols]))
    made: list[list[Pair]] = []
    kept_aside: set[str] = set()
    for count in (others, others, examples):
        part: list[Pair] = []
        while len(part) < count:
            drawn = rng.integers(symbols, size=rng.integers(1, longest + 1))
            said = "".join(letters[drawn])
            # The few shortest are all known; they may be everywhere.
            if said in kept_aside and len(said) > SHORT:
                continue
            part.append((said, "".join(letters[TASKS[name](drawn)])))
        if count == others:
            kept_aside |= {said for said, _ in part}
        made.append(part)
    known = Characters(SYMBOLS[:symbols])
    languages = Languages(known, known)
    validation, test, train = (split_of(part, languages, longest) for part in made)
    return Dataset(name, train, validation, test, (), languages=languages)


SHORT = 3
"""Letters of a source that may be in two parts: of so few letters there are few sources."""


def held_out(
    source: Place | Sequence[Place],
    languages: Languages,
    *,
    longest: int = LONGEST,
    limit: int | None = None,
    seed: int = 0,
) -> list[Pair]:
    """The test part of `pairs` as it is written, in its order."""
    part = _divided(_read(source)[1], limit, seed)[2]
    return [pair for pair, *_ in _fitting(part, languages, longest)]


def order_by_length(split: Split, batch_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """An order of the pairs in which those of a batch are of like length, so that little of it is
    padding: all pairs are shuffled, those of 64 batches sorted by length, and the batches shuffled.
    """
    order = batch_order(seed, epoch, len(split))
    lengths = (split.inputs != PADDING).sum(axis=-1).max(axis=-1)
    pool = POOL * batch_size
    for first in range(0, len(order), pool):
        part = order[first : first + pool]
        order[first : first + pool] = part[np.argsort(lengths[part], kind="stable")]
    whole = len(order) // batch_size * batch_size
    batches = order[:whole].reshape(-1, batch_size)
    batches = batches[stream(seed, "order", epoch, 1).permutation(len(batches))]
    return np.concatenate((batches.reshape(-1), order[whole:]))


def _fitting(
    part: Sequence[Pair], languages: Languages, longest: int
) -> list[tuple[Pair, Ids, Ids]]:
    """The pairs that are short enough, and their ids."""
    encoded = (
        (pair, sentence(languages.source, pair[0]), sentence(languages.target, pair[1]))
        for pair in part
    )
    return [(pair, s, t) for pair, s, t in encoded if max(len(s), len(t)) <= longest + 1]


def split_of(part: Sequence[Pair], languages: Languages, longest: int) -> Split:
    """Pairs as `pairs` has them, those that are short enough."""
    fitting = _fitting(part, languages, longest)
    inputs = np.full((len(fitting), 2, longest + 1), PADDING, np.int64)
    targets = np.full((len(fitting), longest + 1), PADDING, np.int64)
    for k, (_, s, t) in enumerate(fitting):
        inputs[k, 0, : len(s)] = s
        inputs[k, 1, 0] = begin(languages.target)
        inputs[k, 1, 1 : len(t)] = t[:-1]
        targets[k, : len(t)] = t
    return Split(inputs, targets)


def _learner(tokens: str, count: int) -> Callable[[Sequence[str]], Vocabulary]:
    if tokens == "words":
        return lambda sentences: Words.learn(sentences, count)
    if tokens == "bpe":
        return lambda sentences: BytePairs.learn("\n".join(sentences), count)
    return lambda sentences: Characters("".join(sentences))


def _divided(found: Sequence[Pair], limit: int | None, seed: int) -> list[list[Pair]]:
    """The three parts. Pairs that share a sentence are one family, and families are dealt out."""
    if limit is not None:
        # Files are often sorted by length: the first ones are not like the others.
        drawn = np.sort(stream(seed, "split", 1).permutation(len(found))[:limit])
        found = [found[k] for k in drawn]
    family = list(range(len(found)))

    def head(k: int) -> int:
        while family[k] != k:
            family[k] = family[family[k]]
            k = family[k]
        return k

    first: dict[tuple[int, str], int] = {}
    for k, pair in enumerate(found):
        for side, text in enumerate(pair):
            family[head(first.setdefault((side, text.lower()), k))] = head(k)
    heads = [head(k) for k in range(len(found))]
    chosen = stream(seed, "split").random(len(found))
    edges = np.cumsum(SHARES)[:-1]
    parts: list[list[Pair]] = [[], [], []]
    for pair, own in zip(found, heads, strict=True):
        parts[int(np.searchsorted(edges, chosen[own], side="right"))].append(pair)
    return parts


def _read(source: Place | Sequence[Place]) -> tuple[str, list[Pair]]:
    """The name, and the pairs."""
    if source == "verses":
        return "verses", _verses(fetch_file("verses"))
    if source in PAIRS:
        return str(source), _columns(str(source), _tatoeba(str(source)))
    if isinstance(source, str | Path):
        return Path(source).stem, _columns(str(source), _content(source, "two columns"))
    if len(source) != 2:
        raise InputError(f"expected one file of pairs or two of sentences, found {len(source)}")
    contents = (_content(path, "a sentence in each line") for path in source)
    one, other = (content.removesuffix("\n").split("\n") for content in contents)
    if len(one) != len(other):
        raise InputError(
            f"{source[0]} has {len(one)} lines, {source[1]} has {len(other)}: expected a "
            "translation in each line of the second"
        )
    lines = enumerate(zip(one, other, strict=True), start=1)
    return Path(source[0]).stem, [_checked(source, number, pair) for number, pair in lines]


def _tatoeba(name: str) -> str:
    import zipfile

    with zipfile.ZipFile(fetch_file(name)) as archive:
        return archive.read("fra.txt").decode("utf-8")


def _content(path: Place, what: str) -> str:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected a file of {what} in UTF-8")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8; "
            "save it as UTF-8"
        ) from None


def _checked(places: Sequence[Place], number: int, cells: Sequence[str]) -> Pair:
    source, target = (cell.strip() for cell in cells)
    for place, side, cell in zip(places, ("source", "target"), (source, target), strict=True):
        if not cell:
            raise InputError(f"{place}, line {number}: the {side} is empty")
    return source, target


def _columns(path: str, content: str) -> list[Pair]:
    found = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != 2:
            raise InputError(
                f"{path}, line {number}: expected two columns with a tab between them, found "
                f"{len(cells)}"
            )
        found.append(_checked((path, path), number, cells))
    if not found:
        raise InputError(f"{path} is empty: expected a pair of sentences in each line")
    return found


def _verses(path: Path) -> list[Pair]:
    """The World English Bible and that of Louis Segond, verse by verse."""
    import sqlite3

    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT a.vText, b.vText FROM bible AS a JOIN bible AS b USING (bNumber, cNumber, "
            "vNumber) WHERE a.bbName = '4' AND b.bbName = 'l' ORDER BY bNumber, cNumber, vNumber"
        ).fetchall()
    cleaned = ((a.strip().replace("`", "'"), b.strip().replace("`", "'")) for a, b in rows)
    return [(a, b) for a, b in cleaned if a and b]
