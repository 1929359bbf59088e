from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from byhand import data, views
from byhand.data import Dataset
from byhand.errors import InputError
from byhand.training import Run, session
from byhand.views.style import DPI, WIDTH

RECORDED = ["curves", "gradient-flow", "histograms"]
INSIDE = ["feature-maps", "patches", "saliency"]
OF_TEXTS = ["cells", "gates", "dependence", "samples"]
OF_ATTENTION = ["attention", "heads", "positions", "alignment"]


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize(("which", "missing"), [("run", "filters"), ("cnn_run", "weights")])
def test_every_view_of_a_run_on_images_is_a_whole_png_file(
    which: str, missing: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(which)
    paths = views.show(run)
    assert names(paths) == [
        name
        for name in views.VIEWS
        if name not in (missing, *OF_TEXTS, *OF_ATTENTION, *views.ON_REQUEST)
    ]
    for path in paths:
        assert path.parent == run.figures
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.width) == ("PNG", WIDTH * DPI)
    assert sorted(run.figures.iterdir()) == sorted(paths)


def test_named_views_in_the_order_given_and_into_a_folder(run: Run, tmp_path: Path) -> None:
    paths = views.show(run, ["gradient-flow", "curves"], tmp_path / "here")
    assert paths == [tmp_path / "here" / "gradient-flow.png", tmp_path / "here" / "curves.png"]
    assert all(path.is_file() for path in paths)


def test_a_data_set_at_hand_is_not_loaded_again(
    run: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "load_data", None)
    monkeypatch.setattr(data, "table", None)
    assert names(views.show(run, ["confusion"], tmp_path, dataset)) == ["confusion"]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ("numbers", [*RECORDED, "confusion"]),
        ("values", [*RECORDED, "weights", *INSIDE]),
        ("easy", [*RECORDED, "confusion", "weights", *INSIDE, "predictions"]),
        ("text_run", [*RECORDED, *OF_TEXTS]),
        ("plain_rnn", [*RECORDED, "cells", "dependence", "samples"]),
        ("untrained", []),
    ],
)
def test_views_that_do_not_apply_are_left_out(
    which: str,
    left: list[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in views.VIEWS:  # what is drawn is looked at elsewhere
        monkeypatch.setattr(views._MODULES[name], "draw", lambda view: Figure(figsize=(1, 1)))
    assert names(views.show(request.getfixturevalue(which), folder=tmp_path)) == left


@pytest.mark.parametrize(
    ("which", "name", "reason"),
    [
        ("values", "confusion", "classes are needed, and values has values to predict"),
        ("values", "most-wrong", "classes are needed, and values has values to predict"),
        ("numbers", "weights", "images are needed, and an example of numbers has shape (25,)"),
        (
            *("numbers", "predictions"),
            "images are needed, and an example of numbers has shape (25,)",
        ),
        (
            *("easy", "most-wrong"),
            "a wrong answer is needed, and run easy answers all 20 test examples right",
        ),
        ("text_run", "confusion", "classes are needed, and lines is a text"),
        ("text_run", "saliency", "images are needed, and an example of lines has shape (16,)"),
        *(
            ("run", name, "a text is needed, and run shapes was trained on none")
            for name in OF_TEXTS
        ),
        ("plain_rnn", "gates", "gates are needed, and there are none in rnn1, rnn2"),
        (
            *("untrained", "curves"),
            "a finished epoch is needed, and run untrained has none yet "
            "(byhand resume untrained goes on)",
        ),
        (
            *("untrained", "weights"),
            "a finished epoch is needed, and run untrained has none yet "
            "(byhand resume untrained goes on)",
        ),
        (
            *("untrained", "gradient-flow"),
            "an observed step is needed, and run untrained has none (they are 50 steps apart, or "
            "more)",
        ),
    ],
)
def test_a_named_view_that_does_not_apply(
    which: str, name: str, reason: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(InputError) as caught:
        views.show(request.getfixturevalue(which), [name], tmp_path)
    assert str(caught.value) == f"view {name} does not apply: {reason}; leave it out"
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("confusoin", "did you mean confusion?"),
        ("most_wrong", "did you mean most-wrong?"),
        ("xyz", f"there is {', '.join(views.VIEWS)}"),
    ],
)
def test_an_unknown_name_draws_nothing(run: Run, name: str, advice: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        views.show(run, ["curves", name], tmp_path)
    assert str(caught.value) == f"no view {name!r}; {advice}"
    assert not list(tmp_path.iterdir())


def test_matplotlib_is_left_as_it_was(run: Run, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    views.show(run, ["curves"], tmp_path)
    assert dict(mpl.rcParams) == before


def test_computing_needs_no_matplotlib() -> None:
    code = "import sys, byhand.views.terminal; print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
