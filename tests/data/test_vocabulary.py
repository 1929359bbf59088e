"""Tokens: there and back, what is no token, and files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from byhand.data import BytePairs, Characters, Vocabulary, read_vocabulary
from byhand.errors import DamagedFileError, InputError

TEXT = "Once, a hen sang and sang and sang: “co-co-co”.\n" * 20
STRANGE = "Grüße 🙂👩‍👩‍👧 漢字\r\n\t\0 'tis"


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    return BytePairs.learn(TEXT, 270)


def test_the_ids_of_characters_are_in_their_order() -> None:
    vocabulary = Characters("hello\nworld")
    assert (len(vocabulary), vocabulary.characters) == (8, "\ndehlorw")
    ids = vocabulary.encode("hold")
    assert (ids.tolist(), ids.dtype) == ([3, 5, 4, 1], np.int64)
    assert vocabulary.decode(ids) == vocabulary.decode([3, 5, 4, 1]) == "hold"
    assert vocabulary.encode("").tolist() == []
    assert vocabulary.decode([]) == ""


def test_characters_beyond_the_first_plane() -> None:
    vocabulary = Characters(STRANGE)
    assert vocabulary.decode(vocabulary.encode(STRANGE)) == STRANGE


@pytest.mark.parametrize(
    ("text", "place", "advice"),
    [
        ("hé", "'é' (U+00E9) at line 1, column 2", "did you mean 'e'?"),
        ("Lead", "'L' (U+004C) at line 1, column 1", "did you mean 'l'?"),
        ("he\n\nlo—", "'—' (U+2014) at line 3, column 3", "did you mean '-'?"),
        ("hÉ", "'É' (U+00C9) at line 1, column 2", "did you mean 'e'?"),
        ("漢", "'漢' (U+6F22) at line 1, column 1", "leave it out"),
        ("h\udc80", "'\\udc80' (U+DC80) at line 1, column 2", "leave it out"),
    ],
)
def test_what_is_no_token_is_named(text: str, place: str, advice: str) -> None:
    with pytest.raises(InputError) as error:
        Characters("hello-\nworld").encode(text)
    assert str(error.value) == (
        f"the character {place} is not one of the 9 in the vocabulary; {advice}"
    )


@pytest.mark.parametrize("wrong", [[0, 8], [-1], np.array([[3, 9]])])
def test_what_is_no_id_is_named(wrong: list[int]) -> None:
    with pytest.raises(InputError) as error:
        Characters("hello\nworld").decode(wrong)
    assert str(error.value) == f"an id is a number from 0 to 7, found {np.ravel(wrong)[-1]}"


@pytest.mark.parametrize("text", [TEXT, STRANGE, "", "\n\n  x", "🙂"])
def test_byte_pairs_write_any_text_and_back(pairs: BytePairs, text: str) -> None:
    ids = pairs.encode(text)
    assert ids.dtype == np.int64
    assert pairs.decode(ids) == text


def test_byte_pairs_make_a_frequent_word_one_token(pairs: BytePairs) -> None:
    assert len(pairs) == 270
    [sang] = pairs.encode(" sang")
    assert pairs.decode([sang]) == " sang"
    assert len(pairs.encode("zebra")) == 5
    with pytest.raises(InputError, match="an id is a number from 0 to 269, found 270"):
        pairs.decode([270])


def test_a_character_that_is_cut_is_shown_as_such(pairs: BytePairs) -> None:
    assert pairs.decode(pairs.encode("🙂")[:-1]) == "�"


def test_a_short_text_has_fewer_pairs_than_asked_for() -> None:
    assert len(BytePairs.learn("aaaa", 300)) == 257 + 1  # aa, aaaa


def test_fewer_tokens_than_bytes_are_refused() -> None:
    with pytest.raises(InputError) as error:
        BytePairs.learn(TEXT, 255)
    assert str(error.value) == (
        'vocabulary is at least 256 for tokens = "bpe", the bytes that it begins with; found 255'
    )


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError) as error:
        BytePairs.learn(TEXT, 300)
    assert str(error.value) == (
        "tokens = \"bpe\" needs the package tokenizers: pip install 'byhand[text]'"
    )


def test_two_processes_find_the_same_pairs(pairs: BytePairs, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from byhand.data import BytePairs; "
        "BytePairs.learn(sys.argv[1], 270).save(Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, TEXT, str(tmp_path / "other")], check=True)
    pairs.save(tmp_path)
    name = BytePairs.file
    assert (tmp_path / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize("kind", ["characters", "pairs"])
def test_a_vocabulary_is_read_back(pairs: BytePairs, tmp_path: Path, kind: str) -> None:
    assert read_vocabulary(tmp_path) is None
    vocabulary: Vocabulary = pairs if kind == "pairs" else Characters(STRANGE + TEXT)
    vocabulary.save(tmp_path)
    read = read_vocabulary(tmp_path)
    assert read is not None
    assert type(read) is type(vocabulary)
    assert len(read) == len(vocabulary)
    assert read.encode(TEXT).tolist() == vocabulary.encode(TEXT).tolist()


def test_the_file_of_characters_is_a_list(tmp_path: Path) -> None:
    Characters("ba\n").save(tmp_path)
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == ["\n", "a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocabulary.json", "[", " is not a list of characters in order: restore it"),
        ("vocabulary.json", "[]", " is not a list of characters in order: restore it"),
        ("vocabulary.json", "7", " is not a list of characters in order: restore it"),
        ("vocabulary.json", '["b", "a"]', " is not a list of characters in order: restore it"),
        ("vocabulary.json", '["ab"]', " is not a list of characters in order: restore it"),
        ("vocabulary.json", '["a", 1]', " is not a list of characters in order: restore it"),
        ("tokenizer.json", "{", " is not a tokenizer ("),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DamagedFileError) as error:
        read_vocabulary(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / name}{message}")
