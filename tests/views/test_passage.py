from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from byhand.views import passage
from byhand.views.passage import draw_passage, lines_of, shown


def test_lines_end_where_the_text_s_do_or_where_they_are_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passage, "COLUMNS", 4)
    lines = lines_of(["ab", "c\n", "", "defgh", "\n", "\n"])
    assert lines == [
        [("a", 0), ("b", 0), ("c", 1), ("\n", 1)],
        [("d", 3), ("e", 3), ("f", 3), ("g", 3)],
        [("h", 3), ("\n", 4)],
        [("\n", 5)],
    ]
    assert lines_of([]) == []


@pytest.mark.parametrize(
    ("character", "sign"),
    [("a", "a"), ("é", "é"), (" ", " "), ("\n", "↵"), ("\t", "→"), ("\x07", "·"), ("日", "□")],
)
def test_what_is_drawn_of_a_character(character: str, sign: str) -> None:
    assert shown(character) == sign


def test_each_character_has_the_colour_of_its_token() -> None:
    axes = Figure().subplots()
    lines = lines_of(["a$", "\n", "b"])
    image = draw_passage(axes, lines, np.array([1.0, 0.5, np.nan]), 3, "gray", Normalize(0, 1))
    grid = np.ma.filled(image.get_array(), np.nan)
    assert grid.shape == (3, passage.COLUMNS)
    np.testing.assert_array_equal(grid[0, :4], [1, 1, 0.5, np.nan])
    assert np.isnan(grid[1:]).all()
    texts = axes.texts
    assert [text.get_text() for text in texts] == ["a", r"\$", "↵", "b"]
    assert [text.get_position() for text in texts] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    # What has no number is framed.
    assert [text.get_bbox_patch() is not None for text in texts] == [False, False, False, True]


def test_dark_colours_have_white_letters() -> None:
    axes = Figure().subplots()
    draw_passage(axes, lines_of(["a", "b"]), np.array([0.0, 1.0]), 1, "gray", Normalize(0, 1))
    assert [text.get_color() for text in axes.texts] == ["white", "#000000"]
