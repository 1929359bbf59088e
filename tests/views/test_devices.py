"""The figure of where a GPU begins to win, from made-up times."""

from __future__ import annotations

import numpy as np
import pytest

from byhand.training.devices import Fit, Size, Timings, frontier
from byhand.views.devices import draw

FITS = {
    "numpy": Fit(1e-4, 1e-10, 1e-9, 0.0),
    "native": Fit(0.0, 5e-11, 1e-9, 0.0),
    "torch cuda": Fit(5e-4, 1e-12, 1e-11, 0.0),
}
SIZES = tuple(
    Size(batch, factor, 50_000 * batch * factor, 20_000 * factor)
    for factor in (1, 4, 16)
    for batch in (1, 8, 64, 512)
)


def timings(*names: str) -> tuple[Timings, dict[str, Fit]]:
    fits = {name: FITS[name] for name in names}
    seconds = {
        name: np.array([one.seconds(size.work, size.parameters) for size in SIZES])
        for name, one in fits.items()
    }
    return Timings("Made up", SIZES, seconds), fits


def test_a_square_has_the_colour_of_the_fastest_and_its_lead() -> None:
    view, fits = timings("numpy", "native", "torch cuda")
    figure = draw((view, fits))
    times, fastest = figure.axes
    points = {line.get_label(): line for line in times.lines if line.get_marker() == "o"}
    assert list(points) == ["numpy", "native", "torch cuda"]
    np.testing.assert_allclose(points["native"].get_ydata(), 1e6 * view.seconds["native"])
    squares = [line for line in fastest.lines if line.get_marker() == "s"]
    assert len(squares) == len(fastest.texts) == len(SIZES)
    for k, (square, text) in enumerate(zip(squares, fastest.texts, strict=True)):
        found = sorted((seconds[k], name) for name, seconds in view.seconds.items())
        assert square.get_color() == points[found[0][1]].get_color()
        assert text.get_text() == f"{found[1][0] / found[0][0]:.2g}×"
    colours = {square.get_color() for square in squares}
    assert colours == {points[name].get_color() for name in ("native", "torch cuda")}
    [begins] = [line for line in fastest.lines if line.get_linestyle() == "--"]
    expected = frontier(view, fits, "torch cuda")
    np.testing.assert_allclose(begins.get_xdata(), list(expected))
    np.testing.assert_allclose(begins.get_ydata(), list(expected.values()))
    assert figure.texts[0].get_text() == "Where the GPU begins to win"


@pytest.mark.parametrize("names", [("numpy",), ("numpy", "native")])
def test_without_a_gpu_the_figure_says_so(names: tuple[str, ...]) -> None:
    figure = draw(timings(*names))
    assert figure.texts[0].get_text() == "What a training step costs on this CPU"
    assert figure.texts[1].get_text() == "Made up\nwithout a GPU: PyTorch finds none here"
    assert not [line for line in figure.axes[1].lines if line.get_linestyle() == "--"]
