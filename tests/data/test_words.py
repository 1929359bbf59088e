"""Words as tokens, there and back, and the two languages of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.data import (
    BytePairs,
    Characters,
    Languages,
    Vocabulary,
    Words,
    read_languages,
    read_vocabulary,
)
from byhand.data.languages import begin, end, read, sentence, size
from byhand.data.words import split_words
from byhand.errors import DamagedFileError, InputError

SAID = ["The cat sat.", "The cat ran, the dog sat!", "A dog?"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Go away!", ["go", "away", "!"]),
        ("L'ami d’Anne, Été.", ["l'", "ami", "d’", "anne", ",", "été", "."]),
        ("c'est-à-dire", ["c'", "est", "-", "à", "-", "dire"]),
        ("the dogs' house", ["the", "dogs", "'", "house"]),
        ("3,5 %\u202f?", ["3", ",", "5", "%", "?"]),
        (" \t", []),
    ],
)
def test_words_and_marks_are_apart(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_the_most_frequent_words_have_ids() -> None:
    words = Words.learn(SAID, 5)
    # "the" occurs three times, "cat", "dog" and "sat" twice, in the order of the alphabet.
    assert words.words == ("<unk>", "the", "cat", "dog", "sat")
    assert len(words) == 5
    ids = words.encode("The bird sat. A cat")
    assert (ids.tolist(), ids.dtype) == ([1, 0, 4, 0, 0, 2], np.int64)
    assert words.unknown("The bird sat. A cat") == ["bird", ".", "a"]
    assert words.decode(ids) == "the <unk> sat <unk> <unk> cat"
    assert len(Words.learn(SAID, 1000)) == 11


def test_a_vocabulary_of_no_word_is_refused() -> None:
    with pytest.raises(InputError) as error:
        Words.learn(SAID, 1)
    assert str(error.value) == (
        'vocabulary is at least 2 for tokens = "words", a word and <unk>; found 1'
    )


@pytest.mark.parametrize(
    "text", ["l'ami est là, dit-il (enfin)!", "don't go; it's 5 %.", "c'est-à-dire: [rien]…"]
)
def test_a_sentence_comes_back_as_it_is_written(text: str) -> None:
    words = Words.learn([text], 100)
    decoded = words.decode(words.encode(text))
    # Only where there is room before a mark can differ.
    assert decoded == text.replace(" %", "%")


@pytest.mark.parametrize("wrong", [[5], [-1]])
def test_what_is_no_id_is_named(wrong: list[int]) -> None:
    with pytest.raises(InputError, match=f"{wrong[0]}"):
        Words.learn(SAID, 5).decode(wrong)


def test_words_come_back_from_their_file(tmp_path: Path) -> None:
    words = Words.learn(["Çà et là", "là !"], 10)
    words.save(tmp_path)
    other = read_vocabulary(tmp_path)
    assert isinstance(other, Words)
    assert other.words == words.words == ("<unk>", "là", "!", "et", "çà")


@pytest.mark.parametrize("content", ["[1, 2]", "{}", "[", '"a"'])
def test_a_damaged_file_of_words_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "words.json").write_text(content, "utf-8")
    with pytest.raises(DamagedFileError) as error:
        read_vocabulary(tmp_path)
    assert str(error.value) == f"{tmp_path / 'words.json'} is not a list of words: restore it"


KNOWN: list[Vocabulary] = [
    Words.learn(SAID, 9),
    Characters("".join(SAID)),
    BytePairs.learn("\n".join(SAID), 260),
]


@pytest.mark.parametrize("vocabulary", KNOWN, ids=lambda v: type(v).__name__)
def test_a_sentence_has_an_end(vocabulary: Vocabulary) -> None:
    tokens = len(vocabulary)
    assert (begin(vocabulary), end(vocabulary), size(vocabulary)) == (
        tokens,
        tokens + 1,
        tokens + 2,
    )
    ids = sentence(vocabulary, "The cat sat")
    assert ids[-1] == tokens + 1
    assert (ids[:-1] < tokens).all()
    text = read(vocabulary, ids)
    assert text.lower() == "the cat sat"
    # What stands before, behind or instead of it is no part of a sentence.
    assert read(vocabulary, np.array([tokens, *ids, -1, 0, 1])) == text
    assert read(vocabulary, ids[:-1]) == text
    assert read(vocabulary, np.array([tokens + 1, 0])) == ""


def test_languages_come_back_from_their_folder(tmp_path: Path) -> None:
    assert read_languages(tmp_path) is None
    Languages(KNOWN[0], KNOWN[2]).save(tmp_path)
    assert read_vocabulary(tmp_path) is None  # a run of pairs is none of a text
    found = read_languages(tmp_path)
    assert found is not None
    assert isinstance(found.source, Words)
    assert isinstance(found.target, BytePairs)
    assert found.target.encode(SAID[0]).tolist() == KNOWN[2].encode(SAID[0]).tolist()
    (tmp_path / "target" / BytePairs.file).unlink()
    assert read_languages(tmp_path) is None
