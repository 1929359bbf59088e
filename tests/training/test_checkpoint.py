"""A run goes on from its checkpoint, whenever and however it ended before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import byhand
from byhand import engines
from byhand.errors import DamagedFileError, InputError
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, Momentum
from byhand.storage import read_tensors, write_tensors
from byhand.training import Run, checkpoint, trainer_for
from byhand.training import trainer as trainer_module
from byhand.training.checkpoint import Position
from byhand.training.session import recipe_of

from . import victim
from .tiny import (
    Ear,
    assert_close,
    assert_same,
    go_on,
    heaps_program,
    heaps_recipe,
    heaps_trainer,
    history,
    start,
)

SOURCE = str(Path(byhand.__file__).parents[1])


@pytest.fixture
def environment() -> dict[str, str]:
    """For a process that finds byhand and may fork: NumPy keeps to one thread."""
    return {**os.environ, "PYTHONPATH": SOURCE, "OPENBLAS_NUM_THREADS": "1"}


def test_position_counts_the_first_best_epoch() -> None:
    assert Position().best_epoch == 0
    assert Position(scores=[0.5, 0.9, 0.7, 0.9]).best_epoch == 2


def test_the_mean_loss_is_of_the_steps_since_it_was_last_taken() -> None:
    position = Position(row_loss_sum=6.0, row_loss_steps=3, epoch_loss_sum=10.0, epoch_loss_steps=4)
    assert position.take_row_loss() == 2.0
    assert (position.row_loss_sum, position.row_loss_steps) == (0.0, 0)
    assert position.take_epoch_loss() == 2.5
    assert (position.epoch_loss_sum, position.epoch_loss_steps) == (0.0, 0)


@pytest.mark.parametrize("other_engine", engines.ENGINES)
def test_a_checkpoint_holds_all_that_the_next_step_depends_on(
    tmp_path: Path, engine: str, other_engine: str
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trainer = heaps_trainer(heaps_program(Momentum(0.1), engine=engine), epochs=1)
    trainer.fit()
    checkpoint.save(path, trainer.program, trainer.position)
    other = heaps_program(Momentum(0.1), seed=9, engine=other_engine)
    assert checkpoint.load(path, other) == trainer.position
    assert_same(other, trainer.program)


KILLED = ["model.dropout=0.2", "optimizer.name=adam", "optimizer.learning_rate=0.05"]


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_as_if_never_killed(
    tmp_path: Path, environment: dict[str, str], engine: str
) -> None:
    changes = [*KILLED, "training.epochs=2", f"training.engine={engine}"]
    whole = start(heaps_recipe(tmp_path, *changes), tmp_path / "other", log_every=victim.LOG_EVERY)
    whole.fit()
    subprocess.run(
        [sys.executable, victim.__file__, tmp_path, *changes], env=environment, check=True
    )
    runs = Run.all(tmp_path / "runs")
    # Only the last of the runs that are killed at an event was spared: it had no such event.
    events = [run for run in runs if run.name.startswith("event-")]
    assert [run.name for run in events if run.status == "finished"] == [events[-1].name]
    assert len(events) > 30
    met = set()
    for run in runs:
        met.add(len(run.metrics()))
        trainer = go_on(run, log_every=victim.LOG_EVERY)
        trainer.fit()
        assert_same(trainer.program, whole.program)
        assert trainer.position.scores == whole.position.scores
        assert history(run) == history(whole.run), run.name
        assert run.status == "finished"
        assert trainer.history[-1]["epoch"] == 2
        for which in ("best", "model"):
            ours, theirs = run.parameters(which), whole.run.parameters(which)
            assert all((ours[name] == theirs[name]).all() for name in theirs)
    # Every number of rows was met, so the kills fell between all of them.
    assert met == set(range(len(whole.run.metrics()) + 1))


def test_a_run_is_saved_within_a_long_epoch_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(row: dict[str, object]) -> None:
        if row["step"] == 8:
            raise Killed

    monkeypatch.setattr(trainer_module, "AUTOSAVE_SECONDS", -1.0)
    recipe = heaps_recipe(tmp_path, *KILLED)
    whole = start(recipe, tmp_path / "runs")
    whole.fit()
    killed = start(recipe, tmp_path / "runs", Ear(on_row=kill))
    with pytest.raises(Killed):
        killed.fit()
    resumed = go_on(killed.run)
    assert 0 < resumed.position.step < 8
    assert resumed.position.row_loss_steps == resumed.position.step % 4
    resumed.fit()
    assert_same(resumed.program, whole.program)
    assert history(resumed.run) == history(whole.run)


@pytest.mark.parametrize(("first", "then"), list(permutations(engines.ENGINES, 2)))
def test_a_run_goes_on_on_another_engine(tmp_path: Path, first: str, then: str) -> None:
    recipe = heaps_recipe(tmp_path, *KILLED, "training.dtype=float64", f"training.engine={first}")
    whole = start(recipe, tmp_path / "runs")
    whole.fit()
    begun = start(recipe, tmp_path / "runs")
    for _ in range(2 * begun.steps_per_epoch):
        begun.advance(1)
        if begun.position.step % begun.steps_per_epoch == 0:
            begun._end_epoch()
    resumed = trainer_for(recipe_of(begun.run, then), begun.run)
    resumed.resume()
    assert_same(resumed.program, begun.program)
    resumed.fit()
    assert resumed.run.status == "finished"
    assert resumed.position.scores == pytest.approx(whole.position.scores, rel=1e-10)
    assert_close(resumed.program, whole.program)
    assert resumed.run.recipe.training.engine == first


def test_a_run_without_a_checkpoint_starts_again(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs")
    assert go_on(trainer.run).position == Position()
    assert trainer.run.metrics() == [{"kind": "resumed", "step": 0}]


def test_a_row_that_a_power_cut_took_is_missed_and_no_more(tmp_path: Path) -> None:
    """Rows are not forced to the disk one by one, a checkpoint is."""
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs")
    whole = trainer.fit()
    path = trainer.run.folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    [first, *_] = [k for k, line in enumerate(lines) if '"epoch": 1, "step": 11' in line]
    path.write_text("".join(lines[:first] + lines[first + 1 :]))
    result = go_on(trainer.run).fit()
    assert result.best_epoch == whole.best_epoch > 1
    assert result.best == whole.best
    assert result.last == whole.last


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs")
    result = trainer.fit()
    again = go_on(trainer.run).fit()
    assert again == result
    assert trainer.run.status == "finished"


def truncate(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return f"{path} is damaged or not a safetensors file ("


def flip(path: Path) -> str:
    content = bytearray(path.read_bytes())
    content[-10] ^= 0x10
    path.write_bytes(content)
    return f"{path} does not match the checksum it carries, so it was altered"


@pytest.mark.parametrize("damage", [truncate, flip])
def test_damage_is_named_and_nothing_is_half_read(
    tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs")
    trainer.fit()
    damaged = damage(trainer.run.folder / "best.safetensors")
    with pytest.raises(DamagedFileError) as caught:
        trainer.run.parameters("best")
    assert str(caught.value).startswith(damaged)

    damaged = damage(trainer.run.folder / "checkpoint.safetensors")
    rows = trainer.run.metrics()
    fresh = heaps_program(seed=3)
    other = heaps_trainer(fresh, run=trainer.run)
    with pytest.raises(DamagedFileError) as caught:
        other.resume()
    assert str(caught.value).startswith(damaged)
    assert_same(fresh, heaps_program(seed=3))
    assert other.position == Position()
    assert trainer.run.metrics() == rows


def test_another_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"hidden1.W": np.zeros(3)})
    with pytest.raises(DamagedFileError) as caught:
        checkpoint.load(path, heaps_program())
    assert str(caught.value) == f"{path} is not a checkpoint: it has no position"


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, heaps_program(), Position(step=3))
    with pytest.raises(InputError) as caught:
        checkpoint.load(path, heaps_program(Adam(0.1)))
    assert str(caught.value).startswith("the optimizer keeps m.hidden1.W, s.hidden1.W, ")
    assert str(caught.value).endswith("; found none")
    model = mlp([4, 5, 3]).initialize(0)
    with pytest.raises(InputError) as caught:
        checkpoint.load(path, engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1)))
    assert str(caught.value) == (
        'Dense "hidden1": W has shape (4, 6), expected (4, 5) (z = x W + b)'
    )


def test_a_checkpoint_stays_readable(tmp_path: Path) -> None:
    """What is inside, so that a change of the format is made on purpose."""
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, heaps_program(), Position(step=3, scores=[0.5, -np.inf]))
    tensors, metadata = read_tensors(path)
    assert list(metadata) == ["position"]
    assert json.loads(metadata["position"])["step"] == 3
    assert set(tensors) == {
        "parameter.hidden1.W",
        "parameter.hidden1.b",
        "parameter.output.W",
        "parameter.output.b",
    }
    assert checkpoint.load(path, heaps_program()).scores == [0.5, -np.inf]
