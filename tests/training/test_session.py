"""From a recipe to something that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from byhand import data, engines
from byhand.clipping import ClipByGlobalNorm
from byhand.data import Dataset, Split
from byhand.engines import parity
from byhand.errors import InputError, ShapeError
from byhand.layers import Dropout
from byhand.losses import BinaryCrossEntropyWithLogits
from byhand.optimizers import Adam
from byhand.regularizers import L2
from byhand.schedules import Constant, Cosine, Plan, Step
from byhand.training import (
    Recipe,
    Run,
    find_recipe,
    load_data,
    read_recipe,
    session,
    trained_program,
    trainer_for,
)
from byhand.training.recipe import DataTable, recipe_folder
from byhand.training.session import compare_engines, compile_recipe, preferred_engine, recipe_of

from .conftest import NO_NATIVE
from .tiny import TALE, heaps_recipe, start, write_recipe

RECIPES = sorted(path.stem for path in recipe_folder().glob("*.toml"))


def digits(name: str) -> Dataset:
    """The shape of MNIST, and nothing else of it."""
    split = Split(np.zeros((20, 1, 28, 28), np.float32), np.arange(20) % 10)
    return Dataset(name, split, split, split, tuple("0123456789"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_takes_a_step(
    name: str, engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plays, text = tmp_path / "plays.txt", data.text
    plays.write_text(TALE * 40, "utf-8")
    monkeypatch.setattr(data, "load", digits)
    monkeypatch.setattr(data, "text", lambda source, **options: text(plays, **options))
    trainer = trainer_for(find_recipe(name).with_training(engine=engine))
    before = trainer.program.parameters()
    assert trainer.advance(1) == trainer.position.step == 1
    after = trainer.program.parameters()
    assert any((after[n] != before[n]).any() for n in before)


def test_everything_that_a_recipe_says_arrives(tmp_path: Path) -> None:
    recipe = heaps_recipe(
        tmp_path,
        "loss=binary_cross_entropy_with_logits",
        "model.dropout=0.5",
        "optimizer={ name = 'adam', learning_rate = 0.01 }",
        "regularizer={ name = 'l2', strength = 0.1 }",
        "clipping={ name = 'global_norm', limit = 1 }",
        "schedule={ name = 'step', every = 2 }",
        "training={ epochs = 3, batch_size = 5, seed = 8, monitor = 'test', patience = 2, "
        "dtype = 'float64' }",
    )
    trainer = trainer_for(recipe)
    description = trainer.program.description
    assert isinstance(description.loss, BinaryCrossEntropyWithLogits)
    assert any(isinstance(layer, Dropout) for layer in description.model.layers)
    assert description.optimizer == Adam(0.01)
    assert description.regularizer == L2(0.1)
    assert description.clipping == ClipByGlobalNorm(1.0)
    assert (description.examples, description.seed) == (72, 8)
    assert (trainer.epochs, trainer.batch_size, trainer.seed) == (3, 5, 8)
    assert (trainer.monitor, trainer.patience) == ("test", 2)
    assert trainer.schedule == Step(2)
    assert trainer.program.parameters()["output.W"].dtype == np.float64
    assert trainer_for(heaps_recipe(tmp_path)).schedule == Constant()


def test_the_engine_and_its_threads_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def note(*arguments: Any, **options: Any) -> engines.Program:
        given.append(options)
        return real(*arguments, **options)

    real = engines.compile
    monkeypatch.setattr(engines, "compile", note)
    trainer_for(heaps_recipe(tmp_path))
    trainer_for(heaps_recipe(tmp_path, "training.engine=native", "training.threads=2"))
    on_torch = ["engine=torch", "device=cpu", "amp=true"]
    trainer_for(heaps_recipe(tmp_path, *(f"training.{change}" for change in on_torch)))
    names = ("engine", "threads", "device", "compile", "amp")
    assert [tuple(options[name] for name in names) for options in given] == [
        ("numpy", None, "auto", False, False),
        ("native", 2, "auto", False, False),
        ("torch", None, "cpu", False, True),
    ]


@pytest.mark.usefixtures("no_native")
def test_an_engine_that_cannot_run_here_is_named_before_any_data_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "load_data", lambda table: 1 / 0)
    with pytest.raises(InputError) as caught:
        trainer_for(heaps_recipe(tmp_path, "training.engine=native"))
    assert str(caught.value) == NO_NATIVE
    reasons = {"native": NO_NATIVE, "torch": "no PyTorch: install it"}
    monkeypatch.setattr(engines, "available", reasons.get)
    with pytest.raises(InputError) as caught:
        compare_engines(heaps_recipe(tmp_path), 3)
    assert str(caught.value) == (
        f"nothing to compare NumPy with: {NO_NATIVE}; no PyTorch: install it"
    )


def test_a_run_is_taken_up_by_its_own_engine_or_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = heaps_recipe(tmp_path, "training.engine=native", "training.threads=2")
    run = Run.create(recipe)
    assert recipe_of(run) == recipe
    assert recipe_of(run, "numpy", threads=1) == recipe.with_training(engine="numpy", threads=1)
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
    with pytest.raises(InputError) as caught:
        recipe_of(run)
    assert str(caught.value) == (
        f"run heaps was trained on native: {NO_NATIVE}; --engine numpy takes it too, for a run's "
        "files are the same for all engines"
    )
    assert recipe_of(run, "numpy").training.engine == "numpy"
    with pytest.raises(InputError) as caught:
        recipe_of(run, "native")
    assert str(caught.value) == NO_NATIVE


def test_the_preferred_engine_is_native_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preferred_engine() == ("native", None)
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
    assert preferred_engine() == ("numpy", NO_NATIVE)


def test_engines_are_compared_on_the_recipe_s_first_steps(tmp_path: Path) -> None:
    recipe = heaps_recipe(
        tmp_path,
        "model.activation=tanh",
        "model.dropout=0.3",
        "optimizer={ name = 'momentum', learning_rate = 0.1 }",
        "regularizer={ name = 'l2', strength = 0.1 }",
        "schedule={ name = 'warm_up', steps = 10 }",
    )
    rows = compare_engines(recipe, 25)
    assert {(row.engine, row.dtype) for row in rows} == {
        (name, dtype) for name in ("native", "torch") for dtype in ("float64", "float32")
    }
    assert all(row.agrees for row in rows)
    kinds = {row.quantity for row in rows}
    assert {"gradients of a step", "parameters after 25 steps"} <= kinds


def test_what_is_being_compared_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    recipe = heaps_recipe(tmp_path, "model.activation=tanh")
    compare_engines(recipe, 30, told.append)
    assert told == ["loading the data"] + [
        f"{name} and numpy in {dtype}: {steps}"
        for dtype in ("float64", "float32")
        for name in ("native", "torch")
        for steps in [*(f"step {k} of 25 by itself" for k in range(1, 26)), "30 steps in a row"]
    ]


@pytest.mark.parametrize("batch_size", [72, 1000])
def test_the_steps_compared_are_those_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    """Examples, batch size and learning rates are the trainer's; one step is an epoch here."""
    recipe = heaps_recipe(
        tmp_path, f"training.batch_size={batch_size}", "schedule={ name = 'cosine' }"
    )
    given: list[Any] = []
    monkeypatch.setattr(parity, "compare", lambda *arguments: given.append(arguments) or [])
    compare_engines(recipe, 4)
    assert len(given) == 2
    for dtype, (description, inputs, targets, size, rates, names, *_) in zip(
        ("float64", "float32"), given, strict=True
    ):
        trainer = trainer_for(recipe)
        assert description.model.parameters["output.W"].dtype == dtype
        assert (description.examples, size, names) == (72, batch_size, ["native", "torch"])
        np.testing.assert_array_equal(inputs, trainer.dataset.train.inputs)
        np.testing.assert_array_equal(targets, trainer.dataset.train.targets)
        plan = Plan(1, recipe.training.epochs)
        assert rates == [0.3 * Cosine().factor(step, plan) for step in range(4)]


def test_data_comes_from_where_the_recipe_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", digits)
    assert load_data(DataTable(name="mnist")).name == "mnist"
    write_recipe(tmp_path)
    table = load_data(DataTable(table="heaps.csv"))
    assert (table.name, table.classes, table.input_shape) == ("heaps", ("a", "b", "c"), (4,))
    Path("prices.csv").write_text("price,area\n" + "1.5,2\n" * 10)
    values = load_data(DataTable(table="prices.csv", target="price"))
    assert (values.classes, values.test.targets.tolist()) == ((), [[1.5]])


def test_data_comes_from_a_folder_of_images(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for k in range(10):
            Image.new("L", (28, 28), 20 * k).save(tmp_path / "pictures" / label / f"{k}.png")
    dataset = load_data(DataTable(images="pictures"))
    assert (dataset.classes, dataset.input_shape) == (("a", "b"), (1, 28, 28))


def test_data_may_be_written_in_the_recipe() -> None:
    dataset = load_data(DataTable(inputs=[[1.0, 2.0], [3.0, 4.0]], targets=[[0.5], [1.5]]))
    assert dataset.train is dataset.validation is dataset.test
    assert dataset.train.inputs.tolist() == [[1, 2], [3, 4]]
    assert dataset.train.targets.tolist() == [[0.5], [1.5]]
    assert dataset.classes == ()


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            [[1.0, 2.0], [3.0]],
            [[0.0], [0.0]],
            "data.inputs and data.targets: expected rows of equal length",
        ),
        (
            [[1.0], [3.0]],
            [[0.0]],
            "2 inputs against 1 targets: expected one target per example",
        ),
    ],
)
def test_uneven_data_is_refused(
    inputs: list[list[float]], targets: list[list[float]], message: str
) -> None:
    with pytest.raises((InputError, ShapeError)) as caught:
        load_data(DataTable(inputs=inputs, targets=targets))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([5, 6, 3], "heaps: model.sizes: heaps has 4 inputs (4), the first size is 5"),
        ([4, 6, 2], "heaps: model.sizes: heaps has 3 classes, the last size is 2"),
        ([4, 1], "heaps: model.sizes: heaps has 3 classes, the last size is 1"),
    ],
)
def test_sizes_that_do_not_fit_the_data_are_refused(
    tmp_path: Path, sizes: list[int], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        trainer_for(heaps_recipe(tmp_path, f"model.sizes={sizes}"))
    assert str(caught.value) == message


def test_sizes_that_do_not_fit_images_or_values_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", digits)
    with pytest.raises(InputError) as caught:
        trainer_for(find_recipe("nielsen-1", ["model.sizes=[28, 10]"]))
    assert str(caught.value) == (
        "nielsen-1: model.sizes: mnist has 784 inputs (1 x 28 x 28), the first size is 28"
    )
    with pytest.raises(InputError) as caught:
        trainer_for(find_recipe("nielsen-one-neuron", ["model.sizes=[1, 2]", "model.start={}"]))
    assert str(caught.value) == (
        "nielsen-one-neuron: model.sizes: inline has 1 values to predict, the last size is 2"
    )


def test_a_convolutional_network_takes_images_of_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "load", digits)
    for change, message in {
        "model.image=[3, 28, 28]": "model.image: mnist has examples of 1 x 28 x 28, the model "
        "takes 3 x 28 x 28",
        "model.outputs=9": "model.outputs: mnist has 10 classes, outputs is 9",
        "model.pool=13": 'Convolution2D "filters2": an image is 1 x 1, the kernel spans 5 x 5',
    }.items():
        with pytest.raises(InputError) as caught:
            trainer_for(find_recipe("nielsen-conv-2", [change]))
        assert str(caught.value).startswith(f"nielsen-conv-2: {message}")


@pytest.mark.parametrize(
    ("table", "times"),
    [("{ name = 'shifts' }", 5), ("{ name = 'affine', copies = 2 }", 3)],
)
def test_more_images_are_made_for_training_alone(
    monkeypatch: pytest.MonkeyPatch, table: str, times: int
) -> None:
    monkeypatch.setattr(data, "load", digits)
    changes = ["model.channels=[2]", "model.hidden=[]", f"augmentation={table}"]
    trainer = trainer_for(find_recipe("nielsen-conv-relu", changes))
    assert trainer.steps_per_epoch == 20 * times / 10
    assert trainer.program.description.examples == 20 * times


def test_two_classes_may_share_one_output(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    rows = (tmp_path / "heaps.csv").read_text().splitlines()
    (tmp_path / "heaps.csv").write_text("\n".join(row for row in rows if row[-1] != "c"))
    change = ["model.sizes=[4, 1]", "loss=binary_cross_entropy_with_logits"]
    trainer = trainer_for(read_recipe(path, [*change, "training.epochs=20"]))
    result = trainer.fit()
    assert result.best is not None
    assert result.best["validation_accuracy"] == 1.0


def test_start_of_a_parameter_that_is_not_there_is_refused(tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path, 'model.start={ "hidden.W" = 1.0 }')
    with pytest.raises(InputError) as caught:
        trainer_for(recipe)
    assert str(caught.value) == (
        "heaps: model.start: no parameter is named hidden.W; there is hidden1.W, hidden1.b, "
        "output.W, output.b"
    )


def test_a_trained_program_is_that_of_the_best_epoch(tmp_path: Path, engine: str) -> None:
    changes = ["training.epochs=6", "optimizer.learning_rate=1", f"training.engine={engine}"]
    recipe = heaps_recipe(tmp_path, *changes)
    trainer = start(recipe, tmp_path / "runs")
    result = trainer.fit()
    assert 0 < result.best_epoch < 6
    program = trained_program(Run.open("heaps"))
    assert result.best is not None
    dataset = load_data(recipe.data)
    evaluation = program.evaluate(dataset.test.inputs, dataset.test.targets)
    assert evaluation.loss == result.best["test_loss"]
    for name in engines.ENGINES:
        other = trained_program(Run.open("heaps"), dataset, name).predict(dataset.test.inputs)
        np.testing.assert_allclose(other, program.predict(dataset.test.inputs), rtol=1e-5)


def test_one_program_starts_where_another_of_the_same_seed_does(tmp_path: Path) -> None:
    def weights(recipe: Recipe) -> list[float]:
        dataset = load_data(recipe.data)
        return compile_recipe(recipe, dataset).parameters()["hidden1.W"].ravel().tolist()

    assert weights(heaps_recipe(tmp_path)) == weights(heaps_recipe(tmp_path))
    assert weights(heaps_recipe(tmp_path)) != weights(heaps_recipe(tmp_path, "training.seed=1"))
