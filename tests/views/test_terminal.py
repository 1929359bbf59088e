from __future__ import annotations

import numpy as np
import pytest

from byhand.views.terminal import beside, digit


def test_two_pixels_make_a_character() -> None:
    image = np.array([[0, 1, 0, 1], [0, 0, 1, 1]])
    assert digit(image) == [" ▀▄█"]


def test_28_x_28_makes_14_lines_of_28() -> None:
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 3:25, 14] = 1
    lines = digit(image)
    assert [len(line) for line in lines] == [28] * 14
    assert [line[14] for line in lines] == [" ", "▄", *"█" * 10, "▀", " "]
    assert not "".join(line[:14] + line[15:] for line in lines).strip()


def test_ink_is_what_is_bright_in_its_image() -> None:
    image = np.array([[0.1, 0.2, 0.3, 0.5], [0.1, 0.1, 0.1, 0.1]])
    assert digit(image) == ["  ▀▀"]
    assert digit(255 * image) == digit(image)


def test_a_blank_image_is_blank() -> None:
    assert digit(np.full((4, 4), 0.7)) == ["    ", "    "]


def test_an_odd_height_ends_in_half_a_line() -> None:
    assert digit(np.array([[0, 1], [0, 0], [1, 0]])) == [" ▀", "▀ "]


def test_colours_are_averaged() -> None:
    image = np.zeros((3, 2, 2))
    image[:, 0, 0] = 1
    image[0, 1, 1] = 1
    assert digit(image) == ["▀ "]


def test_a_large_image_is_made_smaller() -> None:
    image = np.zeros((112, 200))
    image[:, 100:] = 1
    lines = digit(image)
    assert (len(lines), {len(line) for line in lines}) == (14, {50})
    assert lines[0] == " " * 25 + "█" * 25


def test_blocks_stand_beside_each_other_over_their_captions() -> None:
    text = beside([["▄▄▄", "▀ ▀"], [" ▄ ", " █ "]], ["A", "1"])
    assert text.splitlines() == [
        "▄▄▄   ▄",
        "▀ ▀   █",
        " A    1",
    ]


def test_a_caption_may_be_wider_than_its_block() -> None:
    assert beside([["█"], ["█"]], ["seven", "1"]).splitlines() == [
        "  █      █",
        "seven    1",
    ]


def test_what_is_blank_beside_every_block_is_left_out() -> None:
    assert beside([["   █    "], ["     █  "]], ["", ""]) == "█      █\n"


def test_lower_blocks_stand_on_the_line_of_the_others() -> None:
    assert beside([["█", "█"], ["▄"]], ["a", "b"]).splitlines() == ["█", "█  ▄", "a  b"]


def test_as_many_to_a_row_as_fit() -> None:
    block = ["████"]
    text = beside([block] * 3, ["a", "b", "c"], width=10)
    assert text.splitlines() == ["████  ████", " a     b", "", "████", " c"]
    assert len(beside([block] * 3, ["a", "b", "c"], width=9).splitlines()) == 3 * 2 + 2
    assert len(beside([block] * 2, ["a", "b"], width=1).splitlines()) == 2 * 2 + 1


def test_three_digits_fit_into_80_columns() -> None:
    image = np.zeros((28, 28))
    image[4:24, 2:26] = 1
    lines = beside([digit(image)] * 3, ["1", "2", "3"]).splitlines()
    assert len(lines) == 15
    assert max(map(len, lines)) <= 80


def test_nothing_beside_nothing() -> None:
    assert beside([], []) == ""


def test_one_caption_each() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        beside([["█"], ["█"]], ["a"])
