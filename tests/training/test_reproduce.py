"""Published figures against ours, on recipes that train in milliseconds."""

from __future__ import annotations

import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.cli import outcome
from byhand.data import Dataset, Languages, Split
from byhand.data.vocabulary import Characters
from byhand.engines import ENGINES
from byhand.errors import ByhandError, InputError
from byhand.training import Recipe, Run, find_recipe
from byhand.training import recipe as recipe_module
from byhand.training import reproduce as reproduce_module
from byhand.training.environment import THREADS
from byhand.training.recipe import Published
from byhand.training.reproduce import (
    METRICS,
    METRICS_OF_ALL,
    Comparison,
    _compare,
    _same,
    _train,
    recipes_of,
    reproduce,
)

from .conftest import NO_NATIVE
from .tiny import start, write_recipe

PUBLISHED = """
[[published]]
metric = "{metric}"
{figure}
source = "a book"
"""


def publish(path: Path, metric: str, figure: str) -> None:
    with path.open("a") as file:
        file.write(PUBLISHED.format(metric=metric, figure=figure))


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a set of two recipes, in place of byhand's own."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    path = write_recipe(folder)
    text = path.read_text().replace("[data]", 'set = "small"\n\n[data]', 1)
    path.write_text(text)
    publish(path, "best_test_accuracy", "figure = 0.95\nband = [0.9, 1.0]")
    other = folder / "slow.toml"
    other.write_text(text.replace("learning_rate = 0.3", "learning_rate = 1e-6"))
    publish(other, "best_validation_accuracy", "figure = 0.95\nband = [0.9, 1.0]")
    publish(other, "first_layer_gradient", "")
    monkeypatch.setattr(recipe_module, "recipe_folder", lambda: folder)
    return folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process reads byhand's own recipes; a thread reads those of the test."""

    def pool(workers: int, mp_context: Any, initializer: Any) -> ThreadPoolExecutor:
        assert callable(initializer)
        assert mp_context.get_start_method() == "spawn"
        return ThreadPoolExecutor(1)

    monkeypatch.setattr(reproduce_module, "ProcessPoolExecutor", pool)


def comparison(values: tuple[float, ...], shortened: bool = False) -> Comparison:
    published = Published(metric="final_output", figure=0.5, band=[0.4, 0.6], source="a book")
    return Comparison(find_recipe("nielsen-1"), published, "numpy", values, 1.0, shortened)


def test_mean_deviation_and_whether_inside() -> None:
    ours = comparison((0.3, 0.5, 0.7))
    assert ours.mean == pytest.approx(0.5)
    assert ours.deviation == pytest.approx(0.2)
    assert ours.inside is True
    assert comparison((0.39,)).inside is False
    assert math.isnan(comparison((0.39,)).deviation)
    assert comparison((0.5, 0.5), shortened=True).inside is None
    curve = Published(metric="final_output", source="a curve")
    assert Comparison(ours.recipe, curve, "numpy", (0.5,), 1.0, False).inside is None


def test_a_set_is_found_by_its_name() -> None:
    assert {recipe.set for recipe in recipes_of("nielsen")} == {"nielsen"}
    with pytest.raises(InputError) as caught:
        recipes_of("nielson")
    there = (
        "char, char-large, char-optimizers, cnn, gpt, gpt-hour, gpt-parts, mlp, nielsen, "
        "nielsen-conv, tasks, translate"
    )
    assert str(caught.value) == f"no set of recipes 'nielson'; there is {there}"
    with pytest.raises(InputError) as caught:
        reproduce("nielsen", seeds=0)
    assert str(caught.value) == "--seeds is at least 1, found 0"
    assert not Path("runs").exists()


@pytest.mark.usefixtures("recipes")
def test_training_is_done_once(tmp_path: Path, engine: str) -> None:
    name, line = _train("heaps", 3, None, engine, tmp_path / "runs")
    run = Run.open(name, tmp_path / "runs")
    training = run.recipe.training
    assert (training.seed, training.engine, training.threads) == (3, engine, 1)
    assert (run.status, len(run.rows("epoch"))) == ("finished", 4)
    assert re.fullmatch(r"heaps seed 3: \d+ s", line)
    before = (run.folder / "metrics.jsonl").read_bytes()
    again = _train("heaps", 3, None, engine, tmp_path / "runs")
    assert again == (name, "heaps seed 3: kept from an earlier run")
    assert (run.folder / "metrics.jsonl").read_bytes() == before
    other, _ = _train("heaps", 4, None, engine, tmp_path / "runs")
    short, _ = _train("heaps", 3, 2, engine, tmp_path / "runs")
    assert len({name, other, short}) == 3
    assert len(Run.open(short, tmp_path / "runs").rows("epoch")) == 2


@pytest.mark.usefixtures("recipes")
def test_each_engine_has_runs_of_its_own(tmp_path: Path) -> None:
    names = [_train("heaps", 3, None, engine, tmp_path / "runs")[0] for engine in ENGINES]
    assert len(set(names)) == len(ENGINES)
    assert [_train("heaps", 3, None, engine, tmp_path / "runs")[0] for engine in ENGINES] == names


@pytest.mark.usefixtures("recipes")
def test_a_changed_recipe_is_trained_anew(tmp_path: Path, recipes: Path) -> None:
    first, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    path = recipes / "heaps.toml"
    path.write_text(path.read_text().replace("0.3", "0.25"))
    second, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    assert first != second


@pytest.mark.usefixtures("recipes")
def test_a_recipe_that_only_says_something_else_is_not(tmp_path: Path, recipes: Path) -> None:
    first, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    path = recipes / "heaps.toml"
    path.write_text(path.read_text().replace("0.95", "0.96").replace("Three", "Four"))
    assert find_recipe("heaps").title == "Four heaps of points"
    second, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    assert first == second


@pytest.mark.parametrize("name", ["char-lstm", "gpt-nano", "copy-transformer", "reverse-plain"])
def test_what_a_run_has_from_its_data_is_no_change(name: str) -> None:
    """A run writes the sizes of its text or of its languages into its config."""
    recipe = find_recipe(name)
    letters = Characters("abc")
    run = recipe.with_vocabulary(3)
    if recipe.data.kind == "task":
        run = recipe.with_languages(Languages(letters, letters))
    assert run != recipe
    assert _same(run, recipe)
    assert outcome._changed(run) is False
    shorter = find_recipe(name, ["training.epochs=1"])
    assert not _same(run, shorter)
    assert outcome._changed(shorter) is True


@pytest.mark.usefixtures("recipes")
def test_an_interrupted_run_is_resumed(tmp_path: Path, engine: str) -> None:
    whole, _ = _train("heaps", 1, None, engine, tmp_path / "whole")
    changes = ["training.seed=1", f"training.engine={engine}"]
    trainer = start(find_recipe("heaps", changes), tmp_path / "runs")
    while trainer.position.step < 15:
        trainer.advance(1)
        if trainer.position.step % trainer.steps_per_epoch == 0:
            trainer._end_epoch()
    assert trainer.run.status == "interrupted"
    name, _ = _train("heaps", 1, None, engine, tmp_path / "runs")
    assert name == trainer.run.name
    assert [row["step"] for row in trainer.run.rows("resumed")] == [11]
    theirs = Run.open(whole, tmp_path / "whole").parameters("model")
    for key, value in trainer.run.parameters("model").items():
        np.testing.assert_array_equal(value, theirs[key])


@pytest.mark.usefixtures("recipes")
def test_a_stopped_run_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    real = reproduce_module.trainer_for

    def stopping(recipe: Recipe, run: Run) -> Any:
        trainer = real(recipe, run)
        monkeypatch.setattr(trainer, "fit", lambda: trainer._end("stopped"))
        return trainer

    monkeypatch.setattr(reproduce_module, "trainer_for", stopping)
    with pytest.raises(ByhandError) as caught:
        _train("heaps", 2, None, "numpy", tmp_path / "runs")
    assert str(caught.value) == ("heaps seed 2 was stopped; the same command goes on from here")


@pytest.mark.usefixtures("recipes")
def test_each_metric_is_read_from_the_run(tmp_path: Path) -> None:
    name, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    run = Run.open(name, tmp_path / "runs")
    rows = run.rows("epoch")
    assert METRICS["best_test_accuracy"](run) == max(row["test_accuracy"] for row in rows)
    validation = [row["validation_accuracy"] for row in rows]
    assert METRICS["best_validation_accuracy"](run) == max(validation)
    assert METRICS["first_validation_accuracy"](run) == validation[0]
    assert validation[0] < max(validation)


def test_the_metrics_of_one_neuron_are_the_equations(tmp_path: Path) -> None:
    """a = σ(w + b) on one example x = 1, t = 0; both parameters move by −η a · a (1 − a)."""
    recipe = find_recipe("nielsen-one-neuron", ["training.epochs=5"])
    trainer = start(recipe, tmp_path / "runs")
    trainer.fit()
    w = b = 2.0
    for _ in range(5):
        a = 1 / (1 + math.exp(-(w + b)))
        w, b = (p - 0.15 * a * a * (1 - a) for p in (w, b))
    measured = METRICS["final_output"](trainer.run)
    assert measured == pytest.approx(1 / (1 + math.exp(-(w + b))), rel=1e-12)


@pytest.mark.usefixtures("recipes")
def test_the_first_gradient_is_that_before_training(tmp_path: Path) -> None:
    name, _ = _train("heaps", 0, None, "numpy", tmp_path / "runs")
    run = Run.open(name, tmp_path / "runs")
    trainer = start(run.recipe, tmp_path / "others")
    train = trainer.dataset.train
    assert len(train) < reproduce_module.GRADIENT_EXAMPLES
    _, gradients = trainer.program.gradients(train.inputs, train.targets)
    expected = float(np.sqrt((gradients["hidden1.b"].astype(float) ** 2).sum()))
    assert METRICS["first_layer_gradient"](run) == pytest.approx(expected, rel=1e-6)


def test_several_runs_vote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three runs on four examples: a majority, and where all three differ the surest of them."""
    said = np.array(
        [
            [[0.6, 0.4, 0.0], [0.6, 0.4, 0.0], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]],
            [[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.2, 0.7, 0.1], [0.1, 0.9, 0.0]],
            [[0.0, 1.0, 0.0], [0.6, 0.4, 0.0], [0.3, 0.2, 0.5], [0.1, 0.9, 0.0]],
        ]
    )
    split = Split(np.zeros((4, 1), np.float32), np.array([0, 0, 1, 0]))
    dataset = Dataset("made up", split, split, split, tuple("abc"))

    class Voter:
        def __init__(self, run: Run) -> None:
            self.place = int(run.name)

        def predict(self, inputs: object) -> object:
            return said[self.place]

    recipe = find_recipe("nielsen-one-neuron")
    runs = [Run.create(recipe, str(k), tmp_path) for k in range(3)]
    monkeypatch.setattr(reproduce_module, "load_data", lambda table: dataset)
    monkeypatch.setattr(reproduce_module, "trained_program", Voter)
    assert METRICS_OF_ALL["voted_test_accuracy"](runs) == 0.75


@pytest.mark.usefixtures("recipes")
def test_a_comparison_has_a_value_for_each_seed(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    runs = [Run(folder / _train("slow", seed, None, "numpy", folder)[0]) for seed in (0, 1)]
    accuracy, gradient = _compare(find_recipe("slow"), runs)
    assert accuracy.published.metric == "best_validation_accuracy"
    assert accuracy.values == tuple(METRICS["best_validation_accuracy"](run) for run in runs)
    assert accuracy.inside is False
    assert gradient.inside is None
    assert len(set(gradient.values)) == 2
    seconds = [run.rows("epoch")[-1]["seconds"] for run in runs]
    assert accuracy.seconds == pytest.approx(sum(seconds) / 2)


@pytest.mark.usefixtures("recipes", "in_this_process")
def test_a_set_is_trained_over_seeds_and_kept() -> None:
    said: list[str] = []
    first = reproduce("small", seeds=2, notify=said.append)
    assert [(c.recipe.name, c.published.metric) for c in first] == [
        ("heaps", "best_test_accuracy"),
        ("slow", "best_validation_accuracy"),
        ("slow", "first_layer_gradient"),
    ]
    assert [len(c.values) for c in first] == [2, 2, 2]
    assert [c.inside for c in first] == [True, False, None]
    assert [c.engine for c in first] == ["native"] * 3
    jobs = ["heaps seed 0", "slow seed 0", "heaps seed 1", "slow seed 1"]
    for number, (job, line) in enumerate(zip(jobs, said, strict=True), start=1):
        assert re.fullmatch(rf"{number}/4  {job}: \d+ s", line)
    assert len(Run.all(Path("runs/reproduce-small"))) == 4
    said.clear()
    assert reproduce("small", seeds=2, notify=said.append) == first
    assert all(line.endswith(": kept from an earlier run") for line in said)
    assert len(Run.all(Path("runs/reproduce-small"))) == 4


@pytest.mark.usefixtures("recipes", "in_this_process")
def test_the_engine_is_the_one_asked_for() -> None:
    said: list[str] = []
    compared = reproduce("small", seeds=1, engine="numpy", notify=said.append)
    assert [c.engine for c in compared] == ["numpy"] * 3
    assert len(said) == 2
    runs = Run.all(Path("runs/reproduce-small"))
    assert {run.recipe.training.engine for run in runs} == {"numpy"}


@pytest.mark.usefixtures("recipes", "in_this_process", "no_native")
def test_without_the_native_engine_it_is_numpy_which_is_said() -> None:
    said: list[str] = []
    compared = reproduce("small", seeds=1, notify=said.append)
    assert [c.engine for c in compared] == ["numpy"] * 3
    assert said[0] == f"training on numpy: {NO_NATIVE}"
    with pytest.raises(InputError) as caught:
        reproduce("small", seeds=1, engine="native", notify=said.append)
    assert str(caught.value) == NO_NATIVE


@pytest.mark.usefixtures("recipes", "in_this_process")
def test_quick_is_shown_and_not_judged() -> None:
    quick = reproduce("small", seeds=1, quick=True, notify=lambda line: None)
    assert all(c.shortened and c.inside is None for c in quick)
    for run in Run.all(Path("runs/reproduce-small")):
        assert run.recipe.training.epochs == reproduce_module.QUICK_EPOCHS


@pytest.mark.usefixtures("in_this_process")
def test_a_recipe_that_is_short_anyway_is_judged_when_quick(recipes: Path) -> None:
    for path in recipes.glob("*.toml"):
        path.write_text(path.read_text().replace("epochs = 4", "epochs = 2"))
    quick = reproduce("small", seeds=1, quick=True, notify=lambda line: None)
    assert [c.shortened for c in quick] == [False] * 3
    assert quick[1].inside is False


@pytest.mark.usefixtures("in_this_process")
def test_an_error_in_a_run_is_told_and_the_environment_put_back(
    recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THREADS[0], "7")
    monkeypatch.delenv(THREADS[1], raising=False)
    (recipes / "heaps.csv").unlink()
    with pytest.raises(InputError) as caught:
        reproduce("small", seeds=1, notify=lambda line: None)
    assert (
        str(caught.value) == f"{recipes / 'heaps.csv'} does not exist: expected a .csv or .npz file"
    )
    assert os.environ[THREADS[0]] == "7"
    assert THREADS[1] not in os.environ


@pytest.mark.slow
def test_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow neuron of the book for real: its output after 300 epochs is printed as 0.20."""
    monkeypatch.setattr(
        reproduce_module, "recipes_of", lambda name: [find_recipe("nielsen-one-neuron")]
    )
    said: list[str] = []
    [ours] = reproduce("nielsen", seeds=1, notify=said.append)
    assert ours.inside is True
    assert len(said) == 1
    [run] = Run.all(Path("runs/reproduce-nielsen"))
    assert '"OMP_NUM_THREADS": "1"' in (run.folder / "environment.json").read_text()
