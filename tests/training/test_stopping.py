"""Ctrl-C is a request: what is under way is finished and saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byhand.training import Result, Trainer
from byhand.training.stopping import StopRequest

from .tiny import (
    STEPS,
    Ear,
    assert_same,
    go_on,
    heaps_program,
    heaps_recipe,
    heaps_trainer,
    history,
    start,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_are_restored() -> Iterator[None]:
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def send(number: int, at_step: int, times: int = 1) -> Callable[[Trainer], None]:
    """On progress at this step, signal this very process."""

    def on_progress(trainer: Trainer) -> None:
        if trainer.position.step >= at_step:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return on_progress


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "optimizer",
    [
        ["optimizer.name=sgd"],
        ["optimizer.name=adam", "optimizer.learning_rate=0.05", "model.input_dropout=0.1"],
    ],
    ids=["sgd", "adam"],
)
def test_a_stopped_run_goes_on_as_if_never_stopped(
    tmp_path: Path, number: signal.Signals, optimizer: list[str], engine: str
) -> None:
    recipe = heaps_recipe(tmp_path, "model.dropout=0.3", f"training.engine={engine}", *optimizer)
    whole = start(recipe, tmp_path / "runs", name="whole")
    whole.fit()

    stopped = start(recipe, tmp_path / "runs", Ear(send(number, 13)), name="stopped")
    result = stopped.fit()
    assert result.reason == stopped.run.status == "stopped"
    assert 13 <= result.steps < whole.total_steps
    assert result.steps % stopped.steps_per_epoch != 0

    resumed = go_on(stopped.run)
    assert_same(resumed.program, stopped.program)
    assert resumed.position == stopped.position
    last = resumed.fit()
    assert (last.reason, last.steps, last.best_epoch) == ("finished", 44, whole.position.best_epoch)
    assert resumed.run.status == "finished"
    assert_same(resumed.program, whole.program)
    assert history(resumed.run) == history(whole.run)
    for which in ("best", "model"):
        ours, theirs = resumed.run.parameters(which), whole.run.parameters(which)
        assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_the_time_of_a_resumed_run_goes_on(tmp_path: Path) -> None:
    stopped = start(heaps_recipe(tmp_path), tmp_path / "runs", Ear(send(signal.SIGINT, 13)))
    seconds = stopped.fit().seconds
    assert go_on(stopped.run).fit().seconds > seconds > 0


def test_the_step_under_way_is_finished_and_everything_saved(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs", Ear(send(signal.SIGINT, 1)))
    assert trainer.fit().steps == 1
    assert {path.name for path in trainer.run.folder.iterdir()} >= {
        "checkpoint.safetensors",
        "model.safetensors",
    }
    start_of_run, stopped = trainer.run.metrics()
    assert (start_of_run["kind"], start_of_run["epoch"]) == ("histograms", 0)
    assert stopped == {"kind": "stopped", "step": 1, "epoch": 0}


def test_a_request_at_the_very_end_is_no_stop() -> None:
    trainer = heaps_trainer(listeners=(Ear(send(signal.SIGINT, 4 * STEPS)),))
    assert trainer.fit().reason == "finished"


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    ear = Ear(send(signal.SIGINT, 1, times=2))
    with pytest.raises(KeyboardInterrupt):
        heaps_trainer(listeners=(ear,)).fit()
    assert ear.calls == ["start", "progress", "end"]


def test_a_second_sigterm_waits_for_the_step_like_the_first() -> None:
    """A parent sends one after the terminal's Ctrl-C, and nothing may be lost by that."""
    trainer = heaps_trainer(listeners=(Ear(send(signal.SIGTERM, 1, times=2)),))
    assert trainer.fit().reason == "stopped"


def test_an_interrupted_run_goes_on_from_its_checkpoint(tmp_path: Path, engine: str) -> None:
    recipe = heaps_recipe(tmp_path, f"training.engine={engine}")
    whole = start(recipe, tmp_path / "runs")
    whole.fit()
    broken = start(recipe, tmp_path / "runs", Ear(send(signal.SIGINT, 15, times=2)))
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    assert broken.run.status == "interrupted"
    resumed = go_on(broken.run)
    assert resumed.position.step == 11
    resumed.fit()
    assert_same(resumed.program, whole.program)
    assert history(resumed.run) == history(whole.run)


def test_in_a_thread_training_works_without_handlers(engine: str) -> None:
    found: list[Any] = []

    def look(trainer: Trainer) -> None:
        found.append(signal.getsignal(signal.SIGINT))

    threaded = heaps_trainer(heaps_program(engine=engine), listeners=(Ear(look),))
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(threaded.fit()))
    thread.start()
    thread.join()
    assert results[0].reason == "finished"
    assert set(found) == {signal.getsignal(signal.SIGINT)}
    alone = heaps_program(engine=engine)
    heaps_trainer(alone).fit()
    assert_same(threaded.program, alone)


def test_a_request_is_noted_once_and_only_within_the_block() -> None:
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
