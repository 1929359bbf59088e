"""The chapter on what a Transformer can do without: its recipes differ in one part, and its script
runs."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.data import Split
from byhand.layers import Sequential
from byhand.models import gpt
from byhand.training import Recipe, Run, find_recipe
from byhand.training.reproduce import recipes_of

EXPERIMENTS = Path(__file__).parents[2] / "docs" / "experiments"
SMALL = (
    "model.width=8",
    "model.depth=1",
    "training.epochs=1",
    "training.steps_per_epoch=5",
)


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module("taken_away")


def keys_of(recipe: Recipe) -> dict[str, Any]:
    """What is trained, by its dotted key."""
    tables = recipe.model_dump(exclude={"name", "title", "set", "published"})
    return {
        f"{table}.{key}": value
        for table, values in tables.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


def test_each_recipe_takes_one_part_from_gpt_nano() -> None:
    whole = keys_of(find_recipe("gpt-nano"))
    changed = {}
    for recipe in recipes_of("gpt-parts"):
        keys = keys_of(recipe)
        names = sorted(key for key in keys | whole if keys.get(key) != whole.get(key))
        changed[recipe.name] = {key: keys.get(key) for key in names}
    warm_up = {
        "schedule.final": 0.1,
        "schedule.name": "cosine",
        "schedule.steps": None,
        "schedule.then": None,
    }
    assert changed == {
        "gpt-cold": warm_up,
        "gpt-heads-1": {"model.heads": 1},
        "gpt-heads-2": {"model.heads": 2},
        "gpt-heads-8": {"model.heads": 8},
        "gpt-positions-none": {"model.positions": "none"},
        "gpt-positions-rotary": {"model.positions": "rotary"},
        "gpt-positions-sinusoidal": {"model.positions": "sinusoidal"},
        "gpt-post-norm": {"model.place": "post"},
        "gpt-post-norm-cold": {"model.place": "post"} | warm_up,
    }
    assert whole["schedule.then"] == {"name": "cosine", "final": 0.1}


def test_the_script_compares_with_gpt_nano(experiment: Any) -> None:
    named = {recipe.name for recipe in recipes_of("gpt-parts")}
    for part in experiment.OF_NANO:
        whole, *others = experiment.TRIALS[part].values()
        assert whole is experiment.NANO
        assert all(trial.recipe is None and trial.name in named for trial in others)


def test_a_word_without_its_order_costs_the_logarithm_of_its_orders(experiment: Any) -> None:
    """Three orders of "aab", one of "a", and six of "abc"; 3 is <eos>."""
    targets = np.array([[0, 0, 1, 3], [0, 3, -1, -1], [0, 1, 2, 3]])
    expected = (math.log(3) + math.log(1) + math.log(6)) / 10
    assert experiment.unordered(Split(targets, targets)) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_shakespeare")
def test_the_script_trains_what_is_missing_and_reads_what_is_there(
    experiment: Any, tmp_path: Path, capsys: Any
) -> None:
    runs = tmp_path / "runs"
    found = experiment.main(tmp_path, runs=str(runs), changes=SMALL)
    said = capsys.readouterr()
    assert said.out == (tmp_path / "taken_away.txt").read_text("utf-8")
    assert (tmp_path / "taken_away.svg").read_text("utf-8").rstrip().endswith("</svg>")
    there = {run.name: (run.folder / "metrics.jsonl").read_bytes() for run in Run.all(runs)}
    for name in ("gpt-nano-1", "gpt-positions-none-1", "deep-post-cold-1", "copy-none-1"):
        assert name in there
    assert found.outcomes["heads"]["one"].best[0] != found.outcomes["heads"]["four"].best[0]
    for part, outcomes in found.outcomes.items():
        for choice, outcome in outcomes.items():
            assert np.isfinite(outcome.best).all(), (part, choice)
    assert len(found.outcomes["positions"]["learned"].best) == len(experiment.NANO.seeds)
    assert 0.85 < found.unordered < 0.9
    again = experiment.main(tmp_path, runs=str(runs), changes=SMALL)
    assert capsys.readouterr().out == said.out
    assert there == {name: (runs / name / "metrics.jsonl").read_bytes() for name in there}
    assert again.unordered == found.unordered


def test_without_norms_every_block_is_a_sum(experiment: Any) -> None:
    """And the block's own function is what it was: f(x) for x + f(norm(x))."""
    model = gpt(11, width=8, depth=2, heads=2, context=4).initialize(0)
    left = experiment.without_norms(model)
    names = ["embedding1", "learnedpositions1", "attention1", "feed_forward1", "attention2"]
    assert [layer.name for layer in left.layers] == [*names, "feed_forward2", "output"]
    ids = np.array([[1, 2, 3]])
    x, _ = Sequential(*model.layers[:2]).forward(ids)
    for k in (2, 3):
        f, _ = Sequential(*model.layers[k].layers[1:]).forward(x)
        x = x + f
    found, _ = Sequential(*left.layers[:4]).forward(ids)
    np.testing.assert_allclose(found, x)
