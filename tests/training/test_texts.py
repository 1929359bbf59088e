"""Training on a text: streams and their state, nats and bits, and what the run keeps."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import BytePairs, Characters, Dataset, Split, stream_order
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import LSTM, Dense, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD
from byhand.training import Run, Trainer, language_model, trained_program, trainer_for
from byhand.training import trainer as trainer_module
from byhand.training.data_parallel import DataParallel
from byhand.training.session import data_of
from byhand.training.texts import evaluated, frequency_loss

from .tiny import (
    TALE,
    Ear,
    assert_same,
    go_on,
    heaps_data,
    heaps_recipe,
    heaps_trainer,
    history,
    start,
    tale_recipe,
)


class Recorder:
    """A program that notes what it is trained on and evaluated on."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.orders: list[list[int]] = []
        self.starts: list[bool] = []
        self.evaluated: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    @property
    def order(self) -> list[int]:
        return [example for order in self.orders for example in order]

    def train(self, inputs: Any, targets: Any, order: Any, *rest: Any) -> Any:
        self.orders.append(order.tolist())
        self.starts.append(self._program.recurrent_state() == {})
        return self._program.train(inputs, targets, order, *rest)

    def evaluate(self, *given: Any) -> Any:
        self.evaluated.append(given)
        return self._program.evaluate(*given)


def recorded(trainer: Trainer) -> Recorder:
    recorder = Recorder(trainer.program)
    trainer.program = recorder  # type: ignore[assignment]
    return recorder


def test_streams_are_read_in_order_and_from_their_beginning_at_each_epoch(tmp_path: Path) -> None:
    trainer = trainer_for(tale_recipe(tmp_path))
    windows = len(trainer.dataset.train)
    assert (windows, windows % 4) == (185, 1)
    assert trainer.steps_per_epoch == 46
    recorder = recorded(trainer)
    trainer.fit()
    whole = stream_order(windows, 4).tolist()
    assert recorder.order == whole + whole
    firsts = [order[0] == 0 for order in recorder.orders]
    assert recorder.starts == firsts
    assert sum(firsts) == 2


def test_windows_are_shuffled_without_a_state_to_carry(tmp_path: Path) -> None:
    trainer = trainer_for(tale_recipe(tmp_path, "training.carry_state=false", "training.epochs=1"))
    assert trainer.steps_per_epoch == 47
    recorder = recorded(trainer)
    trainer.fit()
    assert sorted(recorder.order) == list(range(185)) != recorder.order
    assert all(recorder.starts)
    assert all(len(given) == 2 for given in recorder.evaluated)


def test_an_evaluation_reads_on_in_a_few_long_streams() -> None:
    split = Split(np.arange(200).reshape(100, 2), np.arange(200).reshape(100, 2))
    for most, streams in ((4, 4), (50, 6)):
        inputs, targets, found = evaluated(split, most)
        assert found == streams
        order = stream_order(100, streams)
        np.testing.assert_array_equal(inputs, split.inputs[order])
        np.testing.assert_array_equal(targets, split.targets[order])
    assert evaluated(split.first(9), 4)[2] == 1


def test_the_validation_loss_is_that_of_reading_on(tmp_path: Path) -> None:
    trainer = trainer_for(tale_recipe(tmp_path, "training.dtype=float64"))
    trainer.fit()
    validation, states, losses = trainer.dataset.validation, {}, []
    for ids, targets in zip(validation.inputs, validation.targets, strict=True):
        p, states = trainer.program.predict_from(ids[None], states)
        losses += [-math.log(p[0, t, target]) for t, target in enumerate(targets)]
    assert trainer.history[-1]["validation_loss"] == pytest.approx(np.mean(losses), rel=1e-9)


@pytest.mark.parametrize("carry", ["true", "false"])
def test_a_run_on_a_text_goes_on_as_if_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, carry: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(row: dict[str, Any]) -> None:
        if row["kind"] == "step" and row["step"] == 56:
            raise Killed

    monkeypatch.setattr(trainer_module, "AUTOSAVE_SECONDS", -1.0)
    recipe = tale_recipe(
        tmp_path,
        f"training.engine={engine}",
        f"training.carry_state={carry}",
        "model.hidden=[6, 5]",
        "model.dropout=0.2",
    )
    whole = start(recipe, tmp_path / "runs", log_every=8)
    whole.fit()
    killed = start(recipe, tmp_path / "runs", Ear(on_row=kill), log_every=8)
    with pytest.raises(Killed):
        killed.fit()
    assert killed.run is not None
    resumed = go_on(killed.run, log_every=8)
    # In the middle of the second epoch, where the streams have come a way.
    assert 47 < resumed.position.step < 56
    assert set(resumed.program.recurrent_state()) == (
        {"lstm1", "lstm2"} if carry == "true" else set()
    )
    resumed.fit()
    assert_same(resumed.program, whole.program)
    for name, state in whole.program.recurrent_state().items():
        np.testing.assert_array_equal(resumed.program.recurrent_state()[name], state)
    assert history(killed.run) == history(whole.run)


def test_the_state_makes_a_difference(tmp_path: Path) -> None:
    """What is learnt of a window's first characters depends on what came before it."""
    recipe = tale_recipe(tmp_path)
    carried, cut = trainer_for(recipe), trainer_for(recipe)
    for _ in range(20):
        carried.advance(1)
        cut.advance(1)
        cut.program.set_recurrent_state({})
    change = carried.program.parameters()["lstm1.Wh"] - cut.program.parameters()["lstm1.Wh"]
    assert np.abs(change).max() > 1e-3


def test_a_tiny_text_is_learnt_by_heart(tmp_path: Path, engine: str) -> None:
    recipe = tale_recipe(
        tmp_path,
        f"training.engine={engine}",
        "training.epochs=8",
        "optimizer.learning_rate=0.05",
        "model.hidden=[16]",
        text="hello " * 100,
    )
    trainer = trainer_for(recipe)
    result = trainer.fit()
    assert result.last is not None
    assert result.last["validation_loss"] < 0.02
    vocabulary, states, written = trainer.dataset.vocabulary, {}, "h"
    assert vocabulary is not None
    while len(written) < 18:
        p, states = trainer.program.predict_from(vocabulary.encode(written[-1])[None], states)
        written += vocabulary.decode(p[:, -1].argmax(axis=-1))
    assert written == "hello hello hello "


def test_an_epoch_has_its_losses_in_bits_per_character_too(tmp_path: Path) -> None:
    trainer = trainer_for(tale_recipe(tmp_path, "training.epochs=1"))
    trainer.fit()
    [row] = trainer.history
    assert (row["validation_accuracy"], row["test_accuracy"]) == (None, None)
    for split in ("validation", "test"):
        bits = row[f"{split}_bits_per_character"]
        assert bits == pytest.approx(row[f"{split}_loss"] / math.log(2))
    # Of 24 characters of which one knows nothing they would be log₂ 24 bits.
    assert 0 < row["test_bits_per_character"] < math.log2(24)


def test_bits_per_character_compare_byte_pairs_with_characters(tmp_path: Path) -> None:
    recipe = tale_recipe(
        tmp_path, "data.tokens=bpe", "data.vocabulary=270", "data.steps=4", "training.epochs=1"
    )
    trainer = trainer_for(recipe)
    trainer.fit()
    [row], data = trainer.history, trainer.dataset
    assert isinstance(data.vocabulary, BytePairs)
    ids = data.test.targets
    characters = len(data.vocabulary.decode(ids)) / ids.size
    assert characters > 1.2
    assert row["test_bits_per_character"] == pytest.approx(
        row["test_loss"] / math.log(2) / characters
    )


def test_a_network_that_learns_nothing_of_the_order_is_told(tmp_path: Path) -> None:
    idle = trainer_for(tale_recipe(tmp_path, "optimizer.learning_rate=0.0", "training.epochs=1"))
    ear = Ear()
    idle.listeners = (ear,)
    idle.fit()
    told = [row["message"] for row in ear.rows if row["kind"] == "warning"]
    expected = (
        r"validation loss is 3\.\d+ nats after epoch 1, no better than knowing how often each"
    )
    assert [re.match(expected, text) is not None for text in told] == [True]
    ear.rows.clear()
    learning = trainer_for(tale_recipe(tmp_path, "training.epochs=1"), None, (ear,))
    learning.fit()
    assert not [row for row in ear.rows if row["kind"] == "warning"]


def test_the_loss_of_who_knows_frequencies() -> None:
    ids = np.array([[0, 1], [0, 0]])
    train, validation = Split(ids, ids), Split(ids[:1], ids[:1])
    data = Dataset("ab", train, validation, validation, (), Characters("abc"))
    assert frequency_loss(data) == pytest.approx(-(math.log(4 / 7) + math.log(2 / 7)) / 2)
    assert frequency_loss(heaps_data()) is None


def test_other_data_has_no_bits(tmp_path: Path) -> None:
    trainer = heaps_trainer(epochs=1)
    trainer.fit()
    assert not [key for key in trainer.history[0] if "bits" in key]


@pytest.mark.parametrize(
    ("changes", "file", "size"),
    [
        ((), "vocabulary.json", 24),
        (("data.tokens=bpe", "data.vocabulary=262"), "tokenizer.json", 262),
    ],
)
def test_a_run_can_write_without_its_text(
    tmp_path: Path, changes: tuple[str, ...], file: str, size: int, engine: str
) -> None:
    recipe = tale_recipe(tmp_path, *changes, f"training.engine={engine}", "training.epochs=1")
    assert recipe.model.vocabulary is None
    trainer = start(recipe, tmp_path / "runs")
    trainer.fit()
    run = trainer.run
    assert run is not None
    config = tomllib.loads((run.folder / "config.toml").read_text("utf-8"))
    assert config["model"]["vocabulary"] == run.recipe.model.vocabulary == size
    assert (run.folder / file).is_file()
    whole = trained_program(run)
    (tmp_path / "tale.txt").unlink()
    program, vocabulary = language_model(run)
    ids = vocabulary.encode("3 birds")
    assert vocabulary.decode(ids) == "3 birds"
    np.testing.assert_array_equal(program.predict(ids[None]), whole.predict(ids[None]))


def test_a_run_goes_on_with_the_tokens_that_it_began_with(tmp_path: Path) -> None:
    trainer = start(tale_recipe(tmp_path), tmp_path / "runs")
    trainer.fit(epochs=1)
    assert trainer.run is not None
    (tmp_path / "tale.txt").write_text(TALE.replace("q", "").replace("8", "9"), "utf-8")
    again = data_of(trainer.run)
    assert isinstance(again.vocabulary, Characters)
    assert "8" in again.vocabulary.characters
    assert go_on(trainer.run).position.step == 46
    (tmp_path / "tale.txt").write_text(TALE.replace("birds", "Birds"), "utf-8")
    with pytest.raises(InputError) as error:
        go_on(trainer.run)
    assert str(error.value).startswith(
        f"{tmp_path / 'tale.txt'}, training part: the character 'B' (U+0042) at line 1, column 3 "
    )


def test_a_run_on_images_cannot_write(tmp_path: Path) -> None:
    run = Run.create(heaps_recipe(tmp_path), None, tmp_path / "runs")
    with pytest.raises(InputError) as error:
        language_model(run)
    assert str(error.value) == (
        "run heaps was not trained on a text, so it cannot write one: train a recipe such as "
        "char-lstm"
    )


def test_more_streams_than_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        trainer_for(tale_recipe(tmp_path, "training.batch_size=186"))
    assert str(error.value) == (
        "carry_state reads the text in batch_size = 186 streams, the training part of tale has 185 "
        "windows: choose a smaller batch_size or fewer steps"
    )


def test_only_a_text_can_be_read_on() -> None:
    model = Sequential(LSTM(2, 3), Dense(3, 2)).initialize(0)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), carry_state=True)
    split = Split(np.zeros((4, 5, 2), np.float32), np.zeros((4, 5), np.int64))
    with pytest.raises(InputError) as error:
        Trainer(program, Dataset("waves", split, split, split, ()), epochs=1, batch_size=2)
    assert str(error.value) == (
        "carry_state reads a text on from step to step, waves is none: leave it out"
    )


def test_workers_do_not_share_a_state(tmp_path: Path) -> None:
    program = trainer_for(tale_recipe(tmp_path)).program
    with pytest.raises(InputError) as error:
        DataParallel(program, None, [])
    assert str(error.value) == (
        "with carry_state a step goes on from the state that the step before it left, and that is "
        "not handed from worker to worker: leave --workers out, or set training.carry_state=false"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["model.vocabulary=20"],
            "tale: model.vocabulary: tale has 24 different characters, the model takes 20; leave "
            "it out to have it from the text",
        ),
        (
            ["loss=quadratic"],
            'tale: loss: char_rnn is trained with "softmax_cross_entropy", found "quadratic"',
        ),
        (
            ["model={ sizes = [5, 3] }"],
            "tale: model.kind: tale is a text, which takes char_rnn or gpt",
        ),
        (
            ["data={ inputs = [[1.0]], targets = [[1.0]] }", "training.carry_state=false"],
            "tale: model.kind: inline is no text, which takes mlp or cnn",
        ),
    ],
)
def test_a_model_that_does_not_fit_the_text_is_refused(
    tmp_path: Path, changes: list[str], message: str
) -> None:
    with pytest.raises(InputError) as error:
        trainer_for(tale_recipe(tmp_path, *changes))
    assert str(error.value) == message


@pytest.mark.parametrize(("cell", "saturated"), [("rnn", ["rnn1"]), ("lstm", [])])
def test_a_step_is_observed_on_a_text_too(tmp_path: Path, cell: str, saturated: list[str]) -> None:
    recipe = tale_recipe(tmp_path, "training.epochs=1", f"model.cell={cell}")
    trainer = start(recipe, tmp_path / "runs", log_every=10)
    trainer.fit()
    assert trainer.run is not None
    rows = trainer.run.rows("step")
    assert [row["step"] for row in rows] == [10, 20, 30, 40]
    assert rows[0]["accuracy"] is None
    assert set(rows[0]["gradient_norm"]) == {f"{cell}1", "output"}
    assert list(rows[0]["saturated"]) == saturated
    _, last = trainer.run.rows("histograms")
    assert set(last["activations"]) == {"onehot1", f"{cell}1", "output"}
    # Every id is a row with a single 1.
    ones = last["activations"]["onehot1"]["counts"]
    assert ones[-1] * 24 == sum(ones)
