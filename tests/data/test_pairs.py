"""Sentences in pairs: files, parts, ids and batches of like length; and tasks that are pairs."""

from __future__ import annotations

import importlib
import logging
import sqlite3
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.data import BytePairs, Characters, Dataset, Split, Words, pairs, task
from byhand.data.languages import begin, end, read
from byhand.data.pairs import held_out, order_by_length
from byhand.errors import InputError

# `byhand.data.pairs` is also the name of the function.
room = importlib.import_module("byhand.data.pairs")
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NOMBRES = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"]
SAID = [
    (f"{NUMBERS[a]} and {NUMBERS[b]}" + "!" * (a % 3), f"{NOMBRES[a]} et {NOMBRES[b]}")
    for a in range(10)
    for b in range(10)
]


def write(folder: Path, said: list[tuple[str, str]] = SAID, name: str = "numbers.tsv") -> Path:
    path = folder / name
    path.write_text("".join(f"{source}\t{target}\n" for source, target in said), "utf-8")
    return path


def shown(data: Dataset, part: str) -> list[tuple[str, str]]:
    assert data.languages is not None
    split, (source, target) = getattr(data, part), data.languages
    return [
        (read(source, ids), read(target, answer))
        for ids, answer in zip(split.inputs[:, 0], split.targets, strict=True)
    ]


def test_ids_of_a_pair(tmp_path: Path) -> None:
    data = pairs(write(tmp_path), longest=6)
    assert data.languages is not None
    source, target = data.languages
    assert isinstance(source, Words)
    assert (data.name, data.kind, data.classes, data.vocabulary) == ("numbers", "pairs", (), None)
    assert data.input_shape == (2, 7)
    assert data.train.inputs.dtype == data.train.targets.dtype == np.int64
    for split in (data.train, data.validation, data.test):
        assert split.of_pairs
        for (read_, given), asked in zip(split.inputs, split.targets, strict=True):
            s, t = (row[row != -1] for row in (read_, asked))
            for row in (read_, asked):  # the padding stands behind
                assert (row[: np.count_nonzero(row != -1)] != -1).all()
            assert (s[-1], t[-1]) == (end(source), end(target))
            assert max(s[:-1]) < len(source)
            # What was written before is what the next word is asked for with.
            assert given.tolist() == [begin(target), *t[:-1], *[-1] * (7 - len(t))]


def test_every_pair_is_in_one_part(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = pairs(path)
    parts = [shown(data, part) for part in ("train", "validation", "test")]
    assert Counter(pair for part in parts for pair in part) == Counter(SAID)
    assert len(parts[0]) > 80
    np.testing.assert_array_equal(pairs(path).test.inputs, data.test.inputs)
    assert shown(pairs(path, seed=1), "test") != parts[2]


def test_no_sentence_is_in_two_parts(tmp_path: Path) -> None:
    # Each source has three translations, and each of those also translates the next source.
    said = [(f"s{k}", f"t{(k + j) % 4 + k // 8 * 8}") for k in range(400) for j in range(3)]
    data = pairs(write(tmp_path, said), tokens="characters", longest=9)
    parts = [shown(data, part) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(said)
    for side in (0, 1):
        one, two, three = ({pair[side] for pair in part} for part in parts)
        assert not one & two | one & three | two & three


def test_longer_sentences_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = write(tmp_path)
    data = pairs(path, longest=4)
    kept = [pair for part in ("train", "validation", "test") for pair in shown(data, part)]
    assert len(kept) == 70  # those with at most one "!"
    assert not any("!!" in source for source, _ in kept)
    assert "numbers: 70 of 100 pairs have at most 4 tokens" in caplog.text
    with pytest.raises(InputError) as error:
        pairs(path, longest=2)
    assert str(error.value) == (
        "numbers has no pair left for its training part: 0 of 100 have at most 2 tokens; raise "
        "longest, or take more pairs"
    )


def test_a_limit_takes_pairs_from_everywhere(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = pairs(path, limit=60)
    kept = [pair for part in ("train", "validation", "test") for pair in shown(data, part)]
    assert len(kept) == 60
    assert {source.split()[0] for source, _ in kept} == set(NUMBERS)
    assert len(pairs(path, limit=1000).train) == len(pairs(path).train)
    assert data.languages is not None
    said = held_out(path, data.languages, limit=60)
    assert said == shown(data, "test")
    assert set(said) <= set(SAID)


def test_the_test_part_as_it_is_written(tmp_path: Path) -> None:
    said = [(source.upper(), target.upper()) for source, target in SAID]
    path = write(tmp_path, said)
    data = pairs(path, longest=4)
    assert data.languages is not None
    written = held_out(path, data.languages, longest=4)
    assert written != shown(data, "test")
    assert [(s.lower(), t.lower()) for s, t in written] == shown(data, "test")
    assert set(written) <= set(said)


@pytest.mark.parametrize(
    ("tokens", "kind"), [("words", Words), ("bpe", BytePairs), ("characters", Characters)]
)
def test_tokens_of_both_languages(tmp_path: Path, tokens: str, kind: type[Any]) -> None:
    count = None if tokens == "characters" else {"words": 6, "bpe": 261}[tokens]
    data = pairs(write(tmp_path), tokens=tokens, vocabulary=count, longest=40)
    assert data.languages is not None
    assert all(isinstance(vocabulary, kind) for vocabulary in data.languages)
    if count:
        assert [len(vocabulary) for vocabulary in data.languages] == [count, count]
    if tokens != "words":
        assert set(shown(data, "test")) <= set(SAID)
    same = pairs(write(tmp_path, SAID[:50]), vocabulary=data.languages, longest=40)
    assert same.languages == data.languages


def test_two_files_of_lines(tmp_path: Path) -> None:
    files = [tmp_path / "a.en", tmp_path / "a.fr"]
    for side, path in enumerate(files):
        path.write_text("\n".join(pair[side] for pair in SAID) + "\n", "utf-8")
    one, other = pairs(files), pairs(write(tmp_path))
    assert one.name == "a"
    np.testing.assert_array_equal(one.train.inputs, other.train.inputs)
    np.testing.assert_array_equal(one.test.targets, other.test.targets)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tb\nc\n", "{path}, line 2: expected two columns with a tab between them, found 1"),
        (b"a\tb\tc\n", "{path}, line 1: expected two columns with a tab between them, found 3"),
        (b"a\tb\n\n \tb\n", "{path}, line 3: the source is empty"),
        (b"a\t \n", "{path}, line 1: the target is empty"),
        (b"\n \n", "{path} is empty: expected a pair of sentences in each line"),
        (b"", "{path} is empty: expected a pair of sentences in each line"),
        (b"a\tb\nc\t\xe9\n", "{path}, line 2: byte 0xe9 is not UTF-8; save it as UTF-8"),
        (None, "{path} does not exist: expected a file of two columns in UTF-8"),
    ],
)
def test_what_is_no_pair_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "wrong.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        pairs(path)
    assert str(error.value) == message.format(path=path)


def test_two_files_that_do_not_fit(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_text("x\ny\nz\n", "utf-8")
    other.write_text("x\ny\n", "utf-8")
    with pytest.raises(InputError) as error:
        pairs([one, other])
    assert str(error.value) == (
        f"{one} has 3 lines, {other} has 2: expected a translation in each line of the second"
    )
    other.write_text("x\n\nz\n", "utf-8")
    with pytest.raises(InputError) as error:
        pairs([one, other])
    assert str(error.value) == f"{other}, line 2: the target is empty"
    with pytest.raises(InputError) as error:
        pairs([one])
    assert str(error.value) == "expected one file of pairs or two of sentences, found 1"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"longest": 0}, "longest is at least 1, found 0"),
        ({"limit": 0}, "limit is at least 1, found 0"),
        ({"tokens": "letters"}, "tokens is one of words, bpe, characters; found 'letters'"),
        (
            {"tokens": "characters", "vocabulary": 9},
            'vocabulary = 9 is for tokens = "words" or "bpe"; the characters are as many as the '
            "sentences have: leave it out",
        ),
    ],
)
def test_choices_that_cannot_be(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        pairs("fra-eng", **choices)
    assert str(error.value) == message


def test_sentences_of_tatoeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fra-eng.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fra.txt", "".join(f"{source}\t{target}\n" for source, target in SAID))
    monkeypatch.setattr(room, "fetch_file", {"fra-eng": path}.__getitem__)
    data = pairs("fra-eng")
    assert data.name == "fra-eng"
    np.testing.assert_array_equal(data.train.inputs, pairs(write(tmp_path)).train.inputs)


def test_verses_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bible.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE bible (bbName, bNumber, cNumber, vNumber, vText)")
    for k, (source, target) in enumerate(SAID):
        for code, text in (("4", f" {source}"), ("l", f"{target}, l`eau "), ("x", "no")):
            database.execute("INSERT INTO bible VALUES (?, 1, 1, ?, ?)", (code, k, text))
    database.execute("INSERT INTO bible VALUES ('4', 1, 1, 100, 'without another')")
    database.commit()
    database.close()
    monkeypatch.setattr(room, "fetch_file", {"verses": path}.__getitem__)
    data = pairs("verses", tokens="characters", longest=40)
    found = [pair for part in ("train", "validation", "test") for pair in shown(data, part)]
    assert Counter(found) == Counter((source, f"{target}, l'eau") for source, target in SAID)


def lengths(split: Split) -> Any:
    return (split.inputs != -1).sum(axis=-1).max(axis=-1)


def test_batches_of_like_length() -> None:
    split = task("copy", examples=3000, longest=20).train
    order = order_by_length(split, 10, seed=0, epoch=0)
    assert sorted(order) == list(range(3000))
    ranges = np.ptp(lengths(split)[order].reshape(-1, 10), axis=1)
    assert ranges.mean() < 1
    # The batches themselves are in no order, and other epochs have others.
    means = lengths(split)[order].reshape(-1, 10).mean(axis=1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3
    np.testing.assert_array_equal(order, order_by_length(split, 10, seed=0, epoch=0))
    for other in (order_by_length(split, 10, 0, 1), order_by_length(split, 10, 1, 0)):
        assert (order != other).mean() > 0.9


@pytest.mark.parametrize(("examples", "size"), [(7, 3), (3, 7), (1, 1), (129, 2)])
def test_an_order_has_every_pair_once(examples: int, size: int) -> None:
    split = task("copy", examples=examples).train
    assert sorted(order_by_length(split, size, 0, 0)) == list(range(examples))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("copy", lambda said: said),
        ("reverse", lambda said: said[::-1]),
        ("sort", lambda said: "".join(sorted(said))),
    ],
)
def test_tasks_as_pairs(name: str, answer: Any) -> None:
    data = task(name, longest=6, symbols=5, examples=2000)
    assert (data.name, data.kind, data.input_shape) == (name, "pairs", (2, 7))
    assert [len(s) for s in (data.train, data.validation, data.test)] == [2000, 200, 200]
    parts = [shown(data, part) for part in ("train", "validation", "test")]
    assert all(target == answer(source) for part in parts for source, target in part)
    counts = Counter(len(source) for source, _ in parts[0])
    assert set(counts) == set(range(1, 7))
    assert max(counts.values()) < 1.3 * min(counts.values())
    assert set("".join(source for source, _ in parts[0])) == set("abcde")
    one, two, three = ({source for source, _ in part if len(source) > 3} for part in parts)
    assert not one & two | one & three | two & three
    again = task(name, longest=6, symbols=5, examples=2000)
    np.testing.assert_array_equal(again.test.inputs, data.test.inputs)
    assert shown(task(name, longest=6, symbols=5, examples=20, seed=1), "test") != parts[2][:100]


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("copy", {"longest": 0}, "longest is at least 1, found 0"),
        ("copy", {"symbols": 1}, "symbols is at least 2, found 1"),
        ("copy", {"symbols": 27}, "symbols is at most 26, found 27"),
        ("copy", {"examples": 0}, "examples is at least 1, found 0"),
        ("turn", {}, "the task is one of copy, reverse, sort; found 'turn'"),
    ],
)
def test_a_task_that_cannot_be(name: str, choices: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as error:
        task(name, **choices)
    assert str(error.value) == message
