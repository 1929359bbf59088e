"""Recipes: those that come with byhand hold, and a mistake in one's own is named."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from byhand.engines import ENGINES
from byhand.errors import InputError
from byhand.training import Recipe, all_recipes, find_recipe, read_recipe
from byhand.training.recipe import Published, TrainingTable, recipe_folder
from byhand.training.reproduce import METRICS, METRICS_OF_ALL

from .tiny import write_recipe

FILES = sorted(recipe_folder().glob("*.toml"))
FILES_OF_TEXTS = [path for path in FILES if path.stem.startswith(("char-", "gpt-"))]
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_the_recipes_are_found() -> None:
    assert {"nielsen-1", "nielsen-one-neuron", "mlp-mnist"} <= {path.stem for path in FILES}
    assert [recipe.name for recipe in all_recipes()] == [path.stem for path in FILES]
    assert find_recipe("nielsen-1").model.sizes == [784, 30, 10]


@every_file
def test_each_published_figure_lies_in_its_band(path: Path) -> None:
    for published in read_recipe(path).published:
        assert published.metric in METRICS | METRICS_OF_ALL
        book = "Nielsen, Neural Networks and Deep Learning, ch. "
        assert published.source.startswith(book) == path.stem.startswith("nielsen")
        if published.figure is not None and published.band is not None:
            low, high = published.band
            assert low <= published.figure <= high
            assert published.met_by(published.figure) is True


@every_file
def test_a_recipe_survives_being_written_and_read(path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(path)
    copy = tmp_path / path.name
    copy.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(copy) == recipe


@pytest.mark.parametrize("path", FILES_OF_TEXTS, ids=lambda path: path.stem)
def test_a_title_states_the_number_of_parameters(path: Path) -> None:
    recipe = read_recipe(path).with_vocabulary(65)  # of tiny Shakespeare
    parameters = recipe.model.build(0, "float32").parameters
    count = sum(value.size for value in parameters.values())
    assert f"({count:,} parameters)" in recipe.title


def test_only_one_band_or_none() -> None:
    measured = Published(metric="final_output", figure=0.5, band=[0.4, 0.6], source="a book")
    assert [measured.met_by(value) for value in (0.39, 0.4, 0.6, 0.61)] == [
        False,
        True,
        True,
        False,
    ]
    assert Published(metric="final_output", source="a curve").met_by(0.5) is None


def test_other_data_takes_the_place_of_the_recipe_s(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    data = read_recipe(path, ["data.name=fashion-mnist"]).data
    assert (data.name, data.table) == ("fashion-mnist", None)
    data = read_recipe(path, ["data.text=a.txt", "data.steps=9"]).data
    assert (data.table, data.text, data.steps, data.is_text) == (None, "a.txt", 9, True)


def test_changes_are_toml_or_a_bare_word(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    changes = [
        "training.epochs=3",
        "optimizer.learning_rate = 1",
        "loss=quadratic",
        "model.output='sigmoid'",
        'model.start={ "output.b" = 0.5 }',
        "regularizer.name=l2",
        "regularizer.strength=0.1",
    ]
    recipe = read_recipe(path, changes)
    assert recipe.training.epochs == 3
    assert recipe.optimizer == {"name": "sgd", "learning_rate": 1}
    assert (recipe.loss, recipe.model.output) == ("quadratic", "sigmoid")
    assert recipe.model.start == {"output.b": 0.5}
    assert recipe.regularizer == {"name": "l2", "strength": 0.1}


def test_a_recipe_may_name_every_engine_there_is() -> None:
    assert get_args(TrainingTable.model_fields["engine"].annotation) == ENGINES


def test_other_entries_in_training_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path), ["training.threads=3", "training.seed=5"])
    other = recipe.with_training(engine="native", threads=None, seed=0)
    assert other.training == recipe.training.model_copy(update={"engine": "native", "seed": 0})
    assert other.with_training(engine="numpy", seed=5) == recipe
    changed = read_recipe(write_recipe(tmp_path), ["training.threads=3", "training.engine=native"])
    assert other == changed
    (tmp_path / "heaps.toml").write_text(other.to_toml(), encoding="utf-8")
    assert read_recipe(tmp_path / "heaps.toml") == other


def test_the_options_of_one_engine_go_with_it(tmp_path: Path) -> None:
    options = ["engine=torch", "device=cpu", "compile=true", "amp=true"]
    recipe = read_recipe(write_recipe(tmp_path), [f"training.{option}" for option in options])
    assert recipe.with_training(engine="torch", seed=5).training.device == "cpu"
    plain = read_recipe(write_recipe(tmp_path))
    assert recipe.with_training(engine="numpy") == plain
    message = found_wrong(write_recipe(tmp_path), [f"training.{o}" for o in options[2:]])
    assert message.endswith(
        "training: only engine torch takes compile and amp, the engine is numpy; "
        "choose torch, or leave it out"
    )


def test_start_sets_parameters_to_a_constant(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path), ['model.start={ "output.b" = 0.5 }'])
    parameters = recipe.model.build(0, "float64").parameters
    assert parameters["output.b"].tolist() == [0.5] * 3
    assert parameters["output.W"].std() > 0
    assert parameters["output.W"].dtype == "float64"


def found_wrong(path: Path, changes: list[str]) -> str:
    with pytest.raises(InputError) as caught:
        read_recipe(path, changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


MISTAKES = {
    "epochs=3": "unknown key epochs; known are title, set, data, augmentation, model, loss, "
    "optimizer, regularizer, clipping, schedule, training, published",
    "modle.sizes=[4, 3]": "unknown key modle; did you mean model?",
    "training.epoch=3": "unknown key training.epoch; did you mean epochs?",
    "training.x=3": "unknown key training.x; known are epochs, batch_size, seed, dtype, engine, "
    "threads, device, compile, amp, monitor, patience, keep_epochs, "
    "carry_state, steps_per_epoch",
    "data.tabel='a.csv'": "unknown key data.tabel; did you mean table?",
    "training.epochs=many": "training.epochs: expected a whole number, found 'many'",
    "training.epochs=3.0": "training.epochs: expected a whole number, found 3.0",
    "training.epochs=true": "training.epochs: expected a whole number, found True",
    "training.epochs=-3": "training.epochs: expected greater than or equal to 1, found -3",
    "training.patience=0": "training.patience: expected greater than or equal to 1, found 0",
    "training.seed=-1": "training.seed: expected greater than or equal to 0, found -1",
    "training.dtype=float16": "training.dtype: expected 'float32' or 'float64', found 'float16'; "
    "did you mean 'float64'?",
    "training.engine=nunpy": "training.engine: expected 'numpy', 'native' or 'torch', "
    "found 'nunpy'; did you mean 'numpy'?",
    "training.device=gpu": "training.device: expected 'auto', 'cpu', 'cuda' or 'mps', found 'gpu'; "
    "did you mean 'cpu'?",
    "training.device=cuda": "training: only engine torch takes device, the engine is numpy; "
    "choose torch, or leave it out",
    "training.threads=0": "training.threads: expected greater than or equal to 1, found 0",
    "training.threads=all": "training.threads: expected a whole number, found 'all'",
    "training.monitor=loss": "training.monitor: expected 'validation' or 'test', found 'loss'",
    "model.sizes=[4]": "model.sizes: expected at least two entries, found [4]",
    "model.sizes=[4, 0, 3]": "model.sizes.1: expected greater than or equal to 1, found 0",
    "model.dropout=1": "model.dropout: expected less than 1, found 1",
    "model.activation=rely": "model.activation: expected 'sigmoid', 'tanh' or 'relu', "
    "found 'rely'; did you mean 'relu'?",
    "model.weights=He": "model.weights: expected 'standard_normal', 'normal_fan_in', 'glorot', "
    "'he', 'orthogonal' or 'zeros', found 'He'",
    "loss=softmax": "loss: expected 'quadratic', 'softmax_cross_entropy', 'cross_entropy' or "
    "'binary_cross_entropy_with_logits', found 'softmax'",
    "optimizer.name=sdg": "optimizer: name is one of sgd, momentum, nesterov, rmsprop, adam, "
    "adamw; found 'sdg'; did you mean sgd?",
    "optimizer={ learning_rate = 1 }": "optimizer: name is one of sgd, momentum, nesterov, "
    "rmsprop, adam, adamw; found no name",
    "optimizer.learning_rat=1": "optimizer: unknown key learning_rat; did you mean learning_rate?",
    "optimizer.beta1=0.9": "optimizer: unknown key beta1; sgd takes learning_rate",
    "optimizer={ name = 'adam' }": "optimizer: learning_rate is missing; adam takes "
    "learning_rate, beta1, beta2, epsilon",
    "optimizer.learning_rate=fast": "optimizer: learning_rate: expected a number, found 'fast'",
    "optimizer.learning_rate=true": "optimizer: learning_rate: expected a number, found True",
    "optimizer.learning_rate=-0.1": "optimizer: learning_rate is at least 0, found -0.1",
    "optimizer.learning_rate=nan": "optimizer: learning_rate: expected a finite number, found nan",
    "regularizer={ name = 'l2', strength = -1 }": "regularizer: strength is at least 0, found -1.0",
    "model.output=softmax": 'loss "softmax_cross_entropy" takes plain scores: leave model.output '
    "out",
    "loss=cross_entropy": 'loss "cross_entropy" takes probabilities: set model.output to softmax',
    "clipping={ name = 'value', limit = 0 }": "clipping: limit is above 0, found 0.0",
    "schedule={ name = 'step', every = 1.5 }": "schedule: every: expected a whole number, "
    "found 1.5",
    "schedule={ name = 'constant', every = 1 }": "schedule: unknown key every; constant takes "
    "no keys",
    "schedule={ name = 'warm_up', steps = 5, then = 'cosine' }": "schedule: then: expected a "
    "table with a name, found 'cosine'",
    "data={ name = 'mnist', table = 'a.csv' }": "data: expected one of name, images, table, text, "
    "pairs, task or inputs, found name and table",
    "data={ target = 'y' }": "data: expected one of name, images, table, text, pairs, task or "
    "inputs, found none of them",
    "data.steps=64": "data: only a text has steps: leave it out",
    "data={ text = 'a.txt', steps = 0 }": "data: steps is at least 1, found 0",
    "data={ text = 'a.txt', steps = 1.5 }": "data.steps: expected a whole number, found 1.5",
    "data={ text = 'a.txt', tokens = 'words' }": "data: tokens is one of characters, bpe; found "
    "'words'",
    "data={ name = 'tiny-shakespeare', tokens = 'bpe' }": 'data: tokens = "bpe" needs vocabulary, '
    "how many tokens to find, such as 512",
    "training.carry_state=true": "training.carry_state reads a text on from step to step, the data "
    "is none: leave it out",
    "data={ inputs = [[1.0]] }": "data: expected inputs and targets together, "
    "found one without the other",
    "published=[{ metric = 'final_output', figure = 0.5, source = 'a' }]": "published.0: expected "
    "figure and band together, found one without the other",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, change: str) -> None:
    path = write_recipe(tmp_path)
    assert found_wrong(path, [change]) == f"{path}: {MISTAKES[change]}"


CNN_MISTAKES = {
    "model.kind=lstm": "model.kind: expected 'mlp', 'cnn', 'char_rnn', 'gpt', 'seq2seq' or "
    "'transformer', found 'lstm'",
    "model.sizes=[784, 10]": "unknown key model.sizes; known are output, dropout, weights, biases, "
    "start, kind, image, channels, kernel, pool, hidden, outputs, activation",
    "model.channel=[3]": "unknown key model.channel; did you mean channels?",
    "model.channels=[]": "model.channels: expected at least one entry, found []",
    "model.image=[1, 28, 28, 1]": "model.image: expected at most three entries, found "
    "[1, 28, 28, 1]",
    "model.kernel=0": "model.kernel: expected greater than or equal to 1, found 0",
    "model.image=[28, 28]": "model.image: expected at least three entries, found [28, 28]",
    "augmentation={ name = 'shift' }": "augmentation: name is one of shifts, affine; found "
    "'shift'; did you mean shifts?",
    "augmentation={ name = 'affine', degrees = 'ten' }": "augmentation: degrees: expected a "
    "number, found 'ten'",
    "augmentation={ name = 'affine', scale = 1.5 }": "augmentation: Affine: scale is below 1, "
    "found 1.5",
    "augmentation={ name = 'shifts', pixels = 0 }": "augmentation: pixels is at least 1, found 0",
}


@pytest.mark.parametrize("change", CNN_MISTAKES)
def test_a_mistake_in_a_convolutional_network_is_named(change: str) -> None:
    path = recipe_folder() / "nielsen-conv-1.toml"
    assert found_wrong(path, [change]) == f"{path}: {CNN_MISTAKES[change]}"


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    changes = ["training.epochs=0", "title=3", "model.sizes=[]", "loss=l", "optimizer.name=x"]
    message = found_wrong(path, changes)
    assert message.endswith("(and 4 more)")


def test_a_missing_table_or_key_is_named(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    text = path.read_text()
    path.write_text(text.replace("epochs = 4\n", ""))
    assert found_wrong(path, []) == f"{path}: training.epochs is missing"
    path.write_text(text.replace("[optimizer]", "[regularizer]"))
    assert found_wrong(path, []).startswith(f"{path}: optimizer is missing")


SCHEDULE_WITHIN = {
    "{ name = 'cosin' }": "then: name is one of constant, step, cosine, warm_up, "
    "halve_on_plateau, inverse_square_root; found 'cosin'; did you mean cosine?",
    "{ name = 'step' }": "then: every is missing; step takes every, gamma",
}


@pytest.mark.parametrize("then", SCHEDULE_WITHIN)
def test_a_mistake_in_a_schedule_within_a_schedule_says_where(tmp_path: Path, then: str) -> None:
    path = write_recipe(tmp_path)
    change = f"schedule={{ name = 'warm_up', steps = 5, then = {then} }}"
    assert found_wrong(path, [change]) == f"{path}: schedule: {SCHEDULE_WITHIN[then]}"


@pytest.mark.parametrize("table", ["optimizer", "schedule"])
@pytest.mark.parametrize("name", ["['sgd']", "{ sgd = 1 }", "3"])
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, table: str, name: str) -> None:
    path = write_recipe(tmp_path)
    message = found_wrong(path, [f"{table}={{ name = {name} }}"])
    assert message.startswith(f"{path}: {table}: name is one of ")


def test_an_unknown_key_of_a_published_figure_is_named(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    change = "published=[{ metric = 'final_output', source = 'a', figur = 0.5 }]"
    message = found_wrong(path, [change])
    assert message == f"{path}: unknown key published.0.figur; did you mean figure?"


def test_the_name_is_the_file_s_and_no_key(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    message = found_wrong(path, ["name=other"])
    assert message.startswith(f"{path}: unknown key name; ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epochs", "--set takes key=value, as training.epochs=3; found 'training.epochs'"),
        ("=3", "--set takes key=value, as training.epochs=3; found '=3'"),
        ("training..x=3", "--set takes key=value, as training.epochs=3; found 'training..x=3'"),
        ("title.short=x", "--set title.short=x: title is not a table"),
    ],
)
def test_a_change_that_is_none_is_refused(tmp_path: Path, change: str, message: str) -> None:
    assert found_wrong(write_recipe(tmp_path), [change]) == message


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("epochs: 3\n")
    assert found_wrong(path, []) == (
        f"{path}: not a TOML file: Expected '=' after a key in a key/value pair "
        "(at line 1, column 7)"
    )
    path.write_bytes(b"title = '\xff'")
    assert found_wrong(path, []).startswith(f"{path}: not a TOML file: 'utf-8' codec")


def test_a_file_cut_short_is_never_a_recipe(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    whole = path.read_text()
    last = whole.index("batch_size")
    for kept in range(last):
        path.write_text(whole[:kept])
        assert found_wrong(path, []).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nielsen-2", "no recipe 'nielsen-2'; did you mean nielsen-1?"),
        ("zzz", "no recipe 'zzz'; byhand recipes lists those there are"),
        ("mine.toml", "no file 'mine.toml'; byhand recipes lists those there are"),
    ],
)
def test_a_recipe_that_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        find_recipe(name)
    assert str(caught.value) == message


def test_a_recipe_file_is_found_by_its_path(tmp_path: Path) -> None:
    recipe = find_recipe(str(write_recipe(tmp_path)), ["training.epochs=9"])
    assert isinstance(recipe, Recipe)
    assert (recipe.name, recipe.training.epochs) == ("heaps", 9)
