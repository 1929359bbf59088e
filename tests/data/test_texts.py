"""Texts: three parts, windows, streams, and what is too little or no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.data import BytePairs, Characters, Dataset, stream_order, text
from byhand.data.texts import windows
from byhand.errors import InputError


def write(folder: Path, content: str) -> Path:
    path = folder / "tale.txt"
    path.write_bytes(content.encode())
    return path


def shown(data: Dataset, split: str, side: str = "inputs") -> str:
    assert data.vocabulary is not None
    return data.vocabulary.decode(getattr(getattr(data, split), side))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A text whose training, validation and test parts have letters of their own."""
    return write(tmp_path, "abcdefghi" * 20 + "vwxyz" * 2 + "VWXYZ" * 2)


def test_windows_are_consecutive_and_targets_one_later() -> None:
    split = windows(np.arange(14), 4)
    assert split.inputs.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert split.targets.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    # With one token fewer than that the last target would be missing.
    assert len(windows(np.arange(13), 4)) == 3
    assert len(windows(np.arange(12), 4)) == 2


def test_no_window_reaches_into_another_part(three: Path) -> None:
    data = text(three, steps=3)
    assert set(shown(data, "train") + shown(data, "train", "targets")) == set("abcdefghi")
    assert shown(data, "validation") == "vwxyzvwxy"
    assert shown(data, "validation", "targets") == "wxyzvwxyz"
    assert shown(data, "test") == "VWXYZVWXY"
    assert shown(data, "test", "targets") == "WXYZVWXYZ"


def test_the_characters_are_those_of_the_whole_text(three: Path) -> None:
    data = text(three, steps=3)
    assert isinstance(data.vocabulary, Characters)
    assert data.vocabulary.characters == "VWXYZabcdefghivwxyz"
    assert (data.name, data.classes, data.input_shape) == ("tale", (), (3,))
    assert data.train.inputs.dtype == data.train.targets.dtype == np.int64


def test_byte_pairs_are_those_of_the_training_part(three: Path) -> None:
    data = text(three, steps=3, tokens="bpe", vocabulary=264)
    learnt = data.vocabulary
    assert isinstance(learnt, BytePairs)
    assert len(learnt.encode("abcdefghi" * 3)) == 3
    # Of bytes alone, as nothing was seen of this part.
    assert len(learnt.encode("vwxyz")) == 5
    assert shown(data, "test") == "VWXYZVWXY"


def test_tiny_shakespeare_is_the_published_one(tiny_shakespeare: Path) -> None:
    data = text("tiny-shakespeare")
    assert data.vocabulary is not None
    assert len(data.vocabulary) == 65
    assert shown(data, "train").startswith("First Citizen:\nBefore we proceed any further, hear")
    # nanoGPT's split: 1,003,854 for training, 111,540 for the other two.
    assert [len(s) for s in (data.train, data.validation, data.test)] == [15_685, 871, 871]
    whole = tiny_shakespeare.read_text()
    assert shown(data, "validation") == whole[1_003_854 : 1_003_854 + 871 * 64]
    assert len(whole) == 1_115_394


def test_a_vocabulary_at_hand_is_used(three: Path) -> None:
    given = Characters("abcdefghijklmnopqrstuvwxyzVWXYZ")
    data = text(three, steps=3, vocabulary=given)
    assert data.vocabulary is given
    assert shown(data, "validation") == "vwxyzvwxy"


def test_a_text_that_has_changed_since_is_refused(three: Path) -> None:
    with pytest.raises(InputError) as error:
        text(three, steps=3, vocabulary=Characters("abcdefghivwxyz"))
    assert str(error.value) == (
        f"{three}, test part: the character 'V' (U+0056) at line 1, column 1 is not one of the 14 "
        "in the vocabulary; did you mean 'v'?"
    )


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    data = text(write(tmp_path, "\ufeff" + "ab\r\n" * 20), steps=1)
    assert isinstance(data.vocabulary, Characters)
    assert data.vocabulary.characters == "\n\rab"


@pytest.mark.parametrize(
    ("windows", "streams", "batches"),
    [
        (6, 2, [[0, 3], [1, 4], [2, 5]]),
        (8, 3, [[0, 2, 4], [1, 3, 5]]),
        (3, 1, [[0], [1], [2]]),
        (3, 3, [[0, 1, 2]]),
    ],
)
def test_each_stream_goes_on_where_it_was(
    windows: int, streams: int, batches: list[list[int]]
) -> None:
    assert stream_order(windows, streams).reshape(-1, streams).tolist() == batches


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "{path} is empty: expected a text"),
        (
            "a" * 500,
            {},
            "{path} is too short, with 500 characters: its validation part has 25 characters, and "
            "a window of 64 steps takes 65; choose steps of at most 24, or take a longer text",
        ),
        (
            "a" * 1000,
            {"steps": 2000},
            "{path} is too short, with 1000 characters: its validation part has 50 characters, and "
            "a window of 2000 steps takes 2001; choose steps of at most 49, or take a longer text",
        ),
        (
            "abc",
            {"steps": 1},
            "{path} is too short, with 3 characters: its validation part has 0 characters, and a "
            "window of 1 steps takes 2; take a longer text",
        ),
        (
            "abcd " * 100,
            {"steps": 30, "tokens": "bpe", "vocabulary": 256},
            "{path} is too short, with 500 characters: its validation part has 25 tokens, and a "
            "window of 30 steps takes 31; choose steps of at most 24, or take a longer text",
        ),
        ("abc", {"steps": 0}, "steps is at least 1, found 0"),
        ("abc", {"tokens": "words"}, "tokens is one of characters, bpe; found 'words'"),
        (
            "abc",
            {"tokens": "bpe"},
            'tokens = "bpe" needs vocabulary, how many tokens to find, such as 512',
        ),
        (
            "abc",
            {"vocabulary": 100},
            'vocabulary = 100 is for tokens = "bpe"; the characters are as many as the text has: '
            "leave it out",
        ),
    ],
)
def test_what_cannot_be_cut_into_windows_is_refused(
    tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        text(path, **options)
    assert str(error.value) == message.format(path=path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        text(tmp_path / "none.txt")
    assert str(error.value) == (
        f"{tmp_path / 'none.txt'} does not exist: expected a text file in UTF-8"
    )
    path = tmp_path / "latin.txt"
    path.write_bytes("grün".encode("latin-1"))
    with pytest.raises(InputError) as error:
        text(path)
    assert str(error.value) == (f"{path} is not a text in UTF-8 (byte 2 is 0xfc): save it as UTF-8")
