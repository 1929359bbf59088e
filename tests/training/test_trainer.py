"""The loop: what it computes, what it records, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Dataset, Split
from byhand.engines import Program
from byhand.losses import QuadraticCost, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Adam
from byhand.randomness import batch_order
from byhand.schedules import Cosine, HalveOnPlateau, Plan, Step
from byhand.storage import read_tensors
from byhand.training import Trainer
from byhand.training import trainer as trainer_module
from byhand.training.observation import PROBE

from .tiny import (
    BATCH,
    STEPS,
    TRAIN,
    Ear,
    assert_close,
    assert_same,
    heaps,
    heaps_data,
    heaps_program,
    heaps_recipe,
    heaps_trainer,
    line_data,
    start,
)


def by_hand(
    program: Program, data: Dataset, epochs: int, rate: float, seed: int = 0
) -> tuple[list[float], list[dict[str, Any]]]:
    """Plain SGD without the trainer or the program's train: the loss and gradients of each step."""
    model, loss = program.description.model, SoftmaxCrossEntropy()
    inputs = data.train.inputs.astype(next(iter(model.parameters.values())).dtype)
    losses, gradients = [], []
    for epoch in range(epochs):
        order = batch_order(seed, epoch, len(inputs))
        for first in range(0, len(inputs), BATCH):
            batch = order[first : first + BATCH]
            masks = model.draw_masks(len(batch), (4,), seed, len(losses), inputs.dtype)
            y, caches = model.forward(inputs[batch], masks)
            value, cache = loss.forward(y, data.train.targets[batch])
            _, dw = model.backward(loss.backward(cache), caches)
            model.set_parameters({n: w - rate * dw[n] for n, w in model.parameters.items()})
            losses.append(value)
            gradients.append(dw)
    return losses, gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_plain_sgd_over_shuffled_batches_the_last_one_short(dtype: str, engine: str) -> None:
    program = heaps_program(dtype=dtype, dropout=0.3, engine=engine)
    trainer = heaps_trainer(program)
    result = trainer.fit()
    peer = heaps_program(dtype=dtype, dropout=0.3)
    by_hand(peer, heaps_data(), epochs=4, rate=0.3)
    if engine == "numpy":
        assert_same(program, peer)
    else:
        assert_close(program, peer)
    assert program.parameters()["output.W"].dtype == dtype
    assert trainer.steps_per_epoch == STEPS
    assert (result.reason, result.epochs, result.steps) == ("finished", 4, 4 * STEPS)


def test_a_batch_larger_than_the_set_is_the_whole_set(engine: str) -> None:
    small, large = heaps_program(engine=engine), heaps_program(engine=engine)
    assert heaps_trainer(small, batch_size=60).fit().steps == 4
    assert heaps_trainer(large, batch_size=1000).fit().steps == 4
    assert_same(small, large)


@pytest.mark.parametrize("optimizer", [SGD(0.3), Adam(0.05)], ids=["sgd", "adam"])
def test_a_seed_names_one_run(optimizer: SGD | Adam, engine: str) -> None:
    def run(seed: int) -> tuple[Program, list[dict[str, Any]]]:
        ear = Ear()
        program = heaps_program(optimizer, seed=seed, dropout=0.2, engine=engine)
        heaps_trainer(program, seed=seed, listeners=(ear,)).fit()
        return program, [{k: v for k, v in row.items() if k != "seconds"} for row in ear.rows]

    (first, rows), (second, same_rows), (other, _) = run(5), run(5), run(6)
    assert_same(first, second)
    assert rows == same_rows
    assert (first.parameters()["hidden1.W"] != other.parameters()["hidden1.W"]).all()


def test_the_seed_of_the_order_matters_alone() -> None:
    one, two = heaps_program(), heaps_program()
    heaps_trainer(one, seed=0).fit()
    heaps_trainer(two, seed=1).fit()
    assert (one.parameters()["output.W"] != two.parameters()["output.W"]).any()


def at_pace(seconds: float, engine: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Program, Ear]:
    ear, program = Ear(), heaps_program(dropout=0.2, engine=engine)
    trainer = heaps_trainer(program, listeners=(ear,))
    trainer.log_every = 13
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "PACE_SECONDS", seconds)
        trainer.fit()
    return program, ear


def test_nothing_depends_on_how_many_steps_are_taken_at_once(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many is decided by the clock, so otherwise no two runs would be the same."""
    slow, slow_ear = at_pace(0, engine, monkeypatch)
    fast, fast_ear = at_pace(1000, engine, monkeypatch)
    assert slow_ear.calls.count("progress") == 4 * STEPS
    assert fast_ear.calls.count("progress") < 2 * STEPS
    assert_same(slow, fast)
    for row in (*slow_ear.rows, *fast_ear.rows):
        row.pop("seconds", None)
    assert slow_ear.rows == fast_ear.rows


class Clock:
    """Time as the program spends it: `seconds` for every step, and more for looking at one."""

    def __init__(self, seconds: float, looking: float = 0.0) -> None:
        self.now, self.seconds, self.looking = 0.0, seconds, looking
        self.calls: list[int] = []

    def slow_down(self, trainer: Trainer) -> None:
        train, activations = trainer.program.train, trainer.program.activations

        def timed(*arguments: Any) -> Any:
            steps = len(arguments[-1])
            self.calls.append(steps)
            self.now += steps * self.seconds
            return train(*arguments)

        def looked(inputs: Any) -> Any:
            self.now += self.looking
            return activations(inputs)

        trainer.program.train = timed
        trainer.program.activations = looked


def calls(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, log_every: int, epochs: int = 60
) -> list[int]:
    """How many steps the program was asked for at a time."""
    monkeypatch.setattr(trainer_module.time, "perf_counter", lambda: clock.now)
    trainer = heaps_trainer(batch_size=1, epochs=epochs)
    trainer.log_every = log_every
    clock.slow_down(trainer)
    trainer.fit()
    return clock.calls


def test_a_call_is_short_enough_to_notice_ctrl_c_within_a_tenth_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = calls(monkeypatch, Clock(seconds=0.004), log_every=10**6, epochs=4)
    assert found[:5] == [1, 2, 4, 8, 12]
    assert max(found) * 0.004 <= trainer_module.PACE_SECONDS <= 0.05
    assert found.count(12) > 10


def test_an_observed_step_does_not_slow_the_others_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes much longer than they do, and says nothing of how long they take."""
    found = calls(monkeypatch, Clock(seconds=1e-5, looking=0.02), log_every=50)
    assert sum(found) == 60 * TRAIN
    # From then on a call ends where an epoch does or where a step is observed, not before.
    ends = sorted({*range(0, 3601, TRAIN), *range(0, 3601, 50), *range(49, 3601, 50)})
    assert list(np.cumsum(found))[10:] == ends[-len(found) + 10 :]


def test_neither_listeners_nor_a_run_folder_nor_observing_change_anything(
    tmp_path: Path, engine: str
) -> None:
    recipe = heaps_recipe(tmp_path, "model.dropout=0.25", f"training.engine={engine}")
    loud = start(recipe, tmp_path / "runs", Ear(), Ear(), log_every=1)
    loud.fit()
    quiet = start(recipe, tmp_path / "runs", log_every=10**6)
    quiet.run = None
    quiet.fit()
    assert_same(loud.program, quiet.program)


def test_listeners_are_told_in_order() -> None:
    ear = Ear()
    heaps_trainer(epochs=1, listeners=(ear,)).fit()
    assert (ear.calls[0], ear.calls[-1]) == ("start", "end")
    assert [row["kind"] for row in ear.rows] == ["epoch", "finished"]


def test_listeners_are_told_the_end_also_when_training_fails() -> None:
    ear = Ear(on_progress=lambda trainer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        heaps_trainer(listeners=(ear,)).fit()
    assert ear.calls == ["start", "progress", "end"]


def test_the_row_of_a_step(engine: str) -> None:
    """Every number of it against a direct computation."""
    ear, data = Ear(), heaps_data()
    trainer = heaps_trainer(
        heaps_program(dtype="float64", activation="tanh", dropout=0.3, engine=engine),
        epochs=2,
        schedule=Cosine(),
        listeners=(ear,),
    )
    trainer.log_every = 5
    trainer.fit()
    rows = [row for row in ear.rows if row["kind"] == "step"]
    assert [(row["step"], row["epoch"]) for row in rows] == [(5, 1), (10, 2), (15, 2)]

    peer = heaps_program(dtype="float64", activation="tanh", dropout=0.3)
    x, t = data.train.inputs.astype(np.float64), data.train.targets
    losses, plan = [], Plan(STEPS, 2 * STEPS)
    for step in range(15):
        batch = batch_order(0, step // STEPS, 60)[step % STEPS * BATCH :][:BATCH]
        value, gradients = peer.gradients(x[batch], t[batch], step)
        losses.append(value)
        before, rate = peer.parameters(), 0.3 * Cosine().factor(step, plan)
        peer.set_parameters({n: w - rate * gradients[n] for n, w in before.items()})
        if step % 5 != 4:
            continue
        row, after = rows[step // 5], peer.parameters()
        assert row["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
        losses = []
        assert row["learning_rate"] == rate
        for layer in ("hidden1", "output"):
            names = [f"{layer}.W", f"{layer}.b"]
            flat, old, new = (
                np.concatenate([group[name].ravel() for name in names])
                for group in (gradients, before, after)
            )
            assert row["gradient_norm"][layer] == pytest.approx(np.linalg.norm(flat), rel=1e-12)
            ratio = np.linalg.norm(new - old) / np.linalg.norm(old)
            assert row["update_ratio"][layer] == pytest.approx(ratio, rel=1e-9)
        hidden = np.tanh(x @ after["hidden1.W"] + after["hidden1.b"])
        assert row["saturated"] == {"tanh1": np.mean(np.abs(hidden) > 0.9)}
        assert row["dead"] == {}
        scores = hidden @ after["output.W"] + after["output.b"]
        assert row["accuracy"] == np.mean(scores.argmax(axis=1) == t)
    assert set(rows[0]) == {
        "kind", "step", "epoch", "loss", "accuracy", "learning_rate",
        "gradient_norm", "update_ratio", "dead", "saturated",
    }  # fmt: skip


def test_accuracy_and_health_are_measured_on_a_probe_only(engine: str) -> None:
    train = heaps(2 * PROBE)
    wrong = np.where(np.arange(len(train)) < PROBE, train.targets, (train.targets + 1) % 3)
    data = replace(heaps_data(), train=Split(train.inputs, wrong))
    ear = Ear()
    program = heaps_program(SGD(1e-9), engine=engine)
    trainer = Trainer(program, data, epochs=1, batch_size=64, listeners=(ear,))
    trainer.log_every = 4
    trainer.fit()
    measured = program.evaluate(train.inputs[:PROBE], wrong[:PROBE]).accuracy
    assert ear.rows[0]["accuracy"] == measured
    assert measured != program.evaluate(train.inputs, wrong).accuracy


def test_the_row_of_an_epoch() -> None:
    ear, data = Ear(), heaps_data()
    heaps_trainer(heaps_program(dtype="float64"), epochs=2, listeners=(ear,)).fit()
    peer = heaps_program(dtype="float64")
    losses, _ = by_hand(peer, data, epochs=2, rate=0.3)
    first, last = (row for row in ear.rows if row["kind"] == "epoch")
    assert (first["epoch"], first["step"], last["epoch"], last["step"]) == (1, STEPS, 2, 2 * STEPS)
    assert first["train_loss"] == pytest.approx(np.mean(losses[:STEPS]), rel=1e-12)
    assert last["train_loss"] == pytest.approx(np.mean(losses[STEPS:]), rel=1e-12)
    for name, split in (("validation", data.validation), ("test", data.test)):
        evaluation = peer.evaluate(split.inputs.astype(np.float64), split.targets)
        assert last[f"{name}_loss"] == evaluation.loss
        assert last[f"{name}_accuracy"] == evaluation.accuracy
    assert 0 < first["seconds"] <= last["seconds"]
    assert set(first) == {
        "kind", "epoch", "step", "train_loss", "validation_loss", "validation_accuracy",
        "test_loss", "test_accuracy", "seconds",
    }  # fmt: skip


def test_steps_are_observed_about_three_times_an_epoch_and_never_too_often() -> None:
    assert heaps_trainer().log_every == trainer_module.STEPS_PER_LOG == 50
    many = replace(heaps_data(), train=heaps(4000))
    assert Trainer(heaps_program(), many, epochs=1, batch_size=1).log_every == 1333


def test_the_learning_rate_follows_the_schedule() -> None:
    ear = Ear()
    trainer = heaps_trainer(schedule=Step(every=2, gamma=0.5), listeners=(ear,))
    trainer.log_every = STEPS
    trainer.fit()
    rates = [row["learning_rate"] for row in ear.rows if row["kind"] == "step"]
    assert rates == [0.3, 0.3, 0.15, 0.15]


def swing(validation: list[float], test: list[float]) -> Any:
    """A stand-in for evaluate that answers with these accuracies, one epoch after the other."""
    answers = iter([a for pair in zip(validation, test, strict=True) for a in pair])

    def evaluate(inputs: Any, targets: Any) -> engines.Evaluation:
        return engines.Evaluation(1.0, next(answers))

    return evaluate


def test_early_stopping_ends_when_the_best_epoch_is_patience_epochs_old(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path, "training.epochs=9"), tmp_path / "runs", log_every=999)
    trainer.patience = 3
    kept = {}

    def keep(row: dict[str, Any]) -> None:
        if row["kind"] == "epoch":
            kept[row["epoch"]] = trainer.program.parameters()

    trainer.listeners = (Ear(on_row=keep),)
    trainer.program.evaluate = swing([0.5, 0.8, 0.8, 0.7, 0.6, 0.9], [0.1] * 6)
    result = trainer.fit()
    assert (result.reason, result.epochs, result.best_epoch) == ("finished", 5, 2)
    assert result.best == trainer.history[1]
    assert result.last == trainer.history[4]
    for which, epoch in (("best", 2), ("model", 5)):
        tensors, metadata = read_tensors(trainer.run.folder / f"{which}.safetensors")
        assert metadata == {"run": "heaps", "epoch": str(epoch)}
        assert tensors.keys() == kept[epoch].keys()
        for name, value in tensors.items():
            np.testing.assert_array_equal(value, kept[epoch][name])


@pytest.mark.parametrize(("monitor", "best"), [("validation", 3), ("test", 1)])
def test_the_monitored_split_decides_the_best_epoch(monitor: str, best: int) -> None:
    trainer = heaps_trainer(epochs=3, monitor=monitor)
    trainer.program.evaluate = swing([0.1, 0.2, 0.3], [0.9, 0.8, 0.7])
    assert trainer.fit().best_epoch == best


def test_halving_on_a_plateau_ends_training() -> None:
    trainer = heaps_trainer(epochs=50, schedule=HalveOnPlateau(patience=2, smallest=1 / 4))
    trainer.log_every = STEPS
    ear = Ear()
    trainer.listeners = (ear,)
    trainer.program.evaluate = swing([0.5] * 200, [0.5] * 200)
    assert trainer.fit().epochs == 5
    rates = [row["learning_rate"] for row in ear.rows if row["kind"] == "step"]
    assert rates == [0.3, 0.3, 0.3, 0.15, 0.15]


def test_regression_has_no_accuracy_and_is_scored_by_its_loss() -> None:
    program = engines.compile(
        mlp([2, 4, 1], activation="tanh").initialize(0), QuadraticCost(), SGD(0.1)
    )
    ear = Ear()
    trainer = Trainer(program, line_data(), epochs=3, batch_size=8, listeners=(ear,))
    trainer.log_every = 5
    result = trainer.fit()
    assert [row["accuracy"] for row in ear.rows if row["kind"] == "step"] == [None] * 3
    assert result.last is not None
    assert result.last["validation_accuracy"] is None
    assert trainer.position.scores == [-row["validation_loss"] for row in trainer.history]
    assert result.best_epoch == 1 + int(np.argmax(trainer.position.scores))
    assert not any(row["kind"] == "warning" for row in ear.rows)


def test_a_score_that_is_not_a_number_is_the_worst() -> None:
    trainer = heaps_trainer(epochs=2)
    trainer.program.evaluate = lambda inputs, targets: engines.Evaluation(float("nan"), None)
    assert trainer.fit().best_epoch == 1
    assert trainer.position.scores == [-np.inf, -np.inf]
