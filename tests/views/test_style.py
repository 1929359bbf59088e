from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from byhand.views.style import figure, log_scale, picture, plain


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("bag", 3, "bag"),
        ("Ankle boot", 7, "Ank…oot"),
        ("Ankle boot", 8, "Ankl…oot"),
        ("a$b$c", 9, r"a\$b\$c"),
    ],
)
def test_names_are_cut_in_the_middle_and_make_no_formulas(
    text: str, limit: int, shown: str
) -> None:
    assert plain(text, limit) == shown


def test_a_long_heading_is_broken_and_makes_room() -> None:
    short, long = figure(3, "what", "run r"), figure(3, "what", f"{'word ' * 30}\nrun r")
    lines = long.texts[1].get_text().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "run r"
    assert long.get_figheight() - short.get_figheight() == pytest.approx(2 * 0.17)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.04, 0.9, ["0.05", "0.1", "0.2", "0.5"]),
        (9e-6, 2, ["1e−05", "0.0001", "0.001", "0.01", "0.1", "1"]),
        (0.31, 0.34, ["0.312", "0.32", "0.328", "0.336"]),
    ],
)
def test_a_log_axis_has_plain_numbers(low: float, high: float, labels: list[str]) -> None:
    axes = Figure().subplots()
    axes.plot([0, 1], [low, high])
    axes.set_ylim(low, high)
    log_scale(axes)
    ticks = axes.yaxis.get_majorticklocs()
    inside = [tick for tick in ticks if low <= tick <= high]
    assert axes.yaxis.get_major_formatter().format_ticks(inside) == labels


def test_a_gray_image_from_black_to_white() -> None:
    axes = Figure().subplots()
    picture(axes, np.array([[[0.0, 0.5], [-1.0, 2.0]]]))
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array(), [[0, 0.25], [0, 1]])
    assert (image.get_clim(), image.get_cmap().name) == ((0, 1), "gray")


def test_a_colour_image_keeps_its_channels() -> None:
    axes = Figure().subplots()
    channels = np.random.default_rng(0).random((3, 4, 5))
    picture(axes, channels)
    shown = axes.get_images()[0].get_array()
    assert shown.shape == (4, 5, 3)
    np.testing.assert_array_equal(shown[..., 1], channels[1])
