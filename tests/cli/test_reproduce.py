from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byhand.training import find_recipe, reproduce
from byhand.training.recipe import Published
from byhand.training.reproduce import Comparison

from .conftest import NO_NATIVE


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the room below was asked, which answers with three comparisons at once."""
    calls: dict[str, Any] = {}
    recipe = find_recipe(str(folder / "points.toml"))
    accuracy = Published(
        metric="best_test_accuracy", figure=0.95, band=[0.94, 0.96], source="a paper"
    )
    curve = Published(metric="first_layer_gradient", source="a curve")

    def answer(set_name: str, **options: Any) -> list[Comparison]:
        calls.update(options, set_name=set_name)
        options["notify"]("1/1  points seed 0: 3 s")
        return [
            Comparison(recipe, accuracy, "native", (0.9512, 0.9488), 72.0, False),
            Comparison(recipe, accuracy, "native", (0.93,), 7.25, options["quick"]),
            Comparison(recipe, curve, "native", (0.0712, 0.0688), 3.0, False),
        ]

    monkeypatch.setattr(reproduce, "reproduce", answer)
    return calls


def test_reproduce(byhand: Any, asked: dict[str, Any]) -> None:
    result = byhand("reproduce", "nielsen", "--seeds", "2")
    assert result.exit_code == 0
    assert (asked["set_name"], asked["seeds"], asked["quick"]) == ("nielsen", 2, False)
    assert asked["engine"] is None
    assert result.stderr == "1/1  points seed 0: 3 s\n"
    assert result.stdout.splitlines() == [
        "recipe  published  ours            band                       time",
        "points    95.00 %  95.00 ± 0.17 %  94.00 to 96.00 %  inside   72 s",
        "points    95.00 %  93.00 %         94.00 to 96.00 %  outside   7 s",
        "points    a curve  0.07 ± 0.0017                               3 s",
        "ours is the mean ± standard deviation over 2 seeds on the native engine;",
        "time is the mean training time of a run",
    ]


def test_quick_says_so(byhand: Any, asked: dict[str, Any]) -> None:
    result = byhand("reproduce", "nielsen", "--quick")
    assert (asked["seeds"], asked["quick"]) == (2, True)
    assert result.stdout.splitlines()[-1] == (
        "--quick: runs of 3 epochs at most; longer ones are not judged"
    )


def test_reproduce_as_json(byhand: Any, asked: dict[str, Any]) -> None:
    result = byhand("reproduce", "nielsen", "--json")
    assert asked["seeds"] == 5
    first, second, third = json.loads(result.stdout)
    assert first["values"] == [0.9512, 0.9488]
    assert (first["mean"], first["inside"]) == (pytest.approx(0.95), True)
    assert first["engine"] == "native"
    assert (second["deviation"], second["inside"]) == (None, False)
    assert (third["figure"], third["inside"]) == (None, None)


def test_the_engine_is_handed_on(byhand: Any, asked: dict[str, Any]) -> None:
    assert byhand("reproduce", "nielsen", "--engine", "numpy").exit_code == 0
    assert asked["engine"] == "numpy"


@pytest.mark.usefixtures("no_native")
def test_an_engine_that_cannot_run_here(byhand: Any) -> None:
    result = byhand("reproduce", "nielsen", "--engine", "native")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {NO_NATIVE}\n"


def test_an_unknown_set(byhand: Any) -> None:
    result = byhand("reproduce", "nielson")
    assert result.exit_code == 2
    there = (
        "char, char-large, char-optimizers, cnn, gpt, gpt-hour, gpt-parts, mlp, nielsen, "
        "nielsen-conv, tasks, translate"
    )
    assert result.stderr == f"error: no set of recipes 'nielson'; there is {there}\n"
