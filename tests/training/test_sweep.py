"""Sweeps of a net that trains in milliseconds, on one Ray for all tests."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.errors import ByhandError, DamagedFileError, InputError
from byhand.training import Run, find_recipe, trainer_for
from byhand.training.sweep import Sweep

from .tiny import write_recipe

RATE = "optimizer.learning_rate"
START = """
import signal, sys
from byhand.cli import main
# Whoever starts the tests in the background may have let SIGINT be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
SPACES = [f"{RATE}=log(1e-3,1)", "model.sizes=choice([4,3],[4,6,3])"]


def create(folder: Path, *changes: str, trials: int = 4, **options: Any) -> Sweep:
    return Sweep.create(str(write_recipe(folder)), changes or SPACES, trials=trials, **options)


def history(run: Run) -> bytes:
    return (run.folder / "metrics.jsonl").read_bytes()


def last(run: Run) -> dict[str, Any]:
    return run.parameters("model")


def assert_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])


def test_a_new_sweep_has_a_run_folder_for_every_trial(tmp_path: Path) -> None:
    sweep = create(tmp_path, trials=12, seed=5, processors=2, root=tmp_path / "runs")
    assert sweep.folder == tmp_path / "runs/heaps-sweep"
    assert list(sweep.plan.trials) == [f"trial-{k:02}" for k in range(1, 13)]
    for name, values in sweep.plan.trials.items():
        recipe = Run.open(f"heaps-sweep/{name}", tmp_path / "runs").recipe
        assert recipe.optimizer["learning_rate"] == float(values[RATE])
        assert recipe.training.threads == 2
    again = create(tmp_path, trials=12, seed=5, processors=2, root=tmp_path / "runs")
    assert again.name == "heaps-sweep-2"
    assert again.plan == sweep.plan
    assert Sweep.open("heaps-sweep", tmp_path / "runs").plan == sweep.plan
    assert all(trial.best is None for trial in sweep.trials())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            ["optimizer.learning_rat=log(1e-3,1)"],
            "{file}: optimizer: unknown key learning_rat; did you mean learning_rate?",
        ),
        (
            ["optimizer.name=choice(adam,adamm)"],
            "{file}: optimizer: name is one of sgd, momentum, nesterov, rmsprop, adam, adamw; "
            "found 'adamm'; did you mean adam?",
        ),
        (
            ["model.sizes=choice([5,3],[5,6,3])"],
            "trial-1: heaps: model.sizes: heaps has 4 inputs (4), the first size is 5",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    tmp_path: Path, changes: list[str], text: str
) -> None:
    with pytest.raises(InputError) as error:
        create(tmp_path, *changes)
    assert str(error.value) == text.format(file=tmp_path / "heaps.toml")
    assert not Path("runs").exists()


def test_an_unknown_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Sweep.open("heaps-swep")
    assert str(error.value) == "no sweep 'heaps-swep' in runs/; there is none yet"
    create(tmp_path)
    with pytest.raises(InputError) as error:
        Sweep.open("heaps-swep")
    assert str(error.value) == "no sweep 'heaps-swep' in runs/; did you mean heaps-sweep?"


def test_a_damaged_sweep_is_named(tmp_path: Path) -> None:
    sweep = create(tmp_path)
    path = sweep.folder / "sweep.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DamagedFileError, match=r"^runs/heaps-sweep/sweep\.json is not what a "):
        Sweep.open("heaps-sweep").trials()


@pytest.mark.slow
def test_every_trial_is_the_run_that_train_makes(ray: Any, tmp_path: Path) -> None:
    sweep = create(tmp_path, stop_early=False)
    heard = []
    sweep.fit(notify=lambda trial: heard.append((trial.name, trial.ended, len(trial.epochs))))
    assert sorted(heard) == [(name, "finished", 4) for name in sweep.plan.trials]
    assert list(sweep.ended()) == [name for name, _, _ in heard]
    assert not (sweep.folder / ".tune").exists()
    for name, values in sweep.plan.trials.items():
        run = sweep.run(name)
        assert run.status == "finished"
        changes = [f"{key}={text}" for key, text in values.items()]
        alone = Run.create(find_recipe(str(tmp_path / "heaps.toml"), changes), f"alone-{name}")
        trainer_for(alone.recipe, alone).fit()
        assert_equal(last(run), last(alone))
    best = [trial.best["validation_accuracy"] for trial in sweep.trials() if trial.best]
    assert best == sorted(best, reverse=True)
    assert len(best) == 4
    sweep.fit(notify=lambda trial: pytest.fail("there is nothing left to train"))


@pytest.mark.slow
def test_what_is_over_is_not_trained_again_and_the_rest_goes_on(ray: Any, tmp_path: Path) -> None:
    sweep, whole = create(tmp_path, stop_early=False), create(tmp_path, stop_early=False)
    done, begun = sweep.run("trial-1"), sweep.run("trial-2")
    trainer_for(done.recipe, done).fit()
    sweep.end("trial-1")
    trainer_for(begun.recipe, begun).fit(epochs=2)
    before = history(done)
    heard = []
    sweep.fit(notify=lambda trial: heard.append(trial.name))
    assert sorted(heard) == ["trial-2", "trial-3", "trial-4"]
    assert history(done) == before
    assert [row["epoch"] for row in begun.rows("epoch")] == [1, 2, 3, 4]
    assert history(begun).count(b'"resumed"') == 1
    other = whole.run("trial-2")
    trainer_for(other.recipe, other).fit()
    assert_equal(last(begun), last(other))


@pytest.mark.slow
def test_a_trial_that_fails_does_not_end_the_sweep(ray: Any, tmp_path: Path) -> None:
    sweep = create(tmp_path, f"{RATE}=choice(1e38,0.1)", trials=3, seed=1)
    assert {values[RATE] for values in sweep.plan.trials.values()} == {"1e38", "0.1"}
    sweep.fit()
    for trial in sweep.trials():
        assert (trial.ended == "failed") == (trial.values[RATE] == 1e38)
        assert (trial.failure is not None) == (trial.ended == "failed")
        assert trial.failure is None or trial.failure.startswith("loss is nan at step ")
    assert sweep.trials()[0].ended == "finished"


def test_a_machine_that_does_not_see_the_folder(tmp_path: Path) -> None:
    """As the trial raises it in its process, and as Ray hands it on, with a traceback."""
    from ray.exceptions import RayTaskError

    from byhand.training.sweep_tune import TrialRun, _in_a_line

    sweep = create(tmp_path, trials=1)
    (sweep.folder / "trial-1/config.toml").unlink()
    trial = object.__new__(TrialRun)
    trial.setup({}, folder=sweep.folder, data={})
    with pytest.raises(InputError) as error:
        trial._begin("trial-1")
    text = str(error.value)
    assert text == (
        f"runs/heaps-sweep/trial-1 is not on {socket.gethostname()}: a sweep on several machines "
        "needs a folder that all of them share under the same path"
    )
    handed_on = RayTaskError("step", "Traceback …", error.value).as_instanceof_cause()
    assert str(handed_on) != text
    raised = _in_a_line(handed_on, sweep)
    assert isinstance(raised, InputError)
    assert str(raised) == text


@pytest.mark.slow
def test_more_processors_than_there_are(ray: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        create(tmp_path, processors=1000).fit()
    assert str(error.value).startswith(
        "a worker is to have 1000 processors, the largest machine here has "
    )


def test_what_is_no_fault_of_the_network_is_one_line_too(tmp_path: Path) -> None:
    from byhand.training.sweep_tune import _in_a_line

    error = _in_a_line(RuntimeError("the node is gone\nand more"), create(tmp_path))
    assert type(error) is ByhandError
    assert str(error) == (
        "a trial could not be trained: RuntimeError: the node is gone; "
        "go on with: byhand sweep --resume heaps-sweep"
    )


@pytest.mark.slow
def test_ctrl_c_on_a_cluster_by_its_address_and_going_on(ray: Any, tmp_path: Path) -> None:
    address = ray.get_runtime_context().gcs_address
    options = ["--set", f"{RATE}=log(1e-3,1)", "--set", "training.epochs=50", "--trials", "4"]
    options += ["--no-stop-early", "--address", address]
    process = subprocess.Popen(
        [sys.executable, "-c", START, "sweep", str(write_recipe(tmp_path)), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "sweep folder runs/heaps-sweep, 4 trials\n"
    assert process.stderr.readline().startswith("1/4  trial-")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == (
        "stopped: every finished epoch is saved; go on with: byhand sweep --resume heaps-sweep"
    )

    sweep = Sweep.open("heaps-sweep")
    over = sweep.ended()
    assert 1 <= len(over) < 4
    before = {name: history(sweep.run(name)) for name in over}
    heard = []
    sweep.fit(notify=lambda trial: heard.append(trial.name))
    assert sorted([*over, *heard]) == sorted(sweep.plan.trials)
    assert {name: history(sweep.run(name)) for name in over} == before
    for name in sweep.plan.trials:
        run = sweep.run(name)
        assert run.status == "finished"
        assert [row["epoch"] for row in run.rows("epoch")] == list(range(1, 51))


def test_the_scheduler_knows_the_trials_of_before(tmp_path: Path) -> None:
    """Ended trials count: a new one that is behind them at its first epoch is stopped."""
    from types import SimpleNamespace

    from byhand.training.sweep_tune import _scheduler

    sweep = create(tmp_path, trials=4)
    names = list(sweep.plan.trials)
    nobody: Any = None
    fresh: Any = SimpleNamespace(trial_id="new")

    def decision() -> str:
        scheduler = _scheduler(sweep, {names[3]: sweep.run(names[3]).recipe})
        assert scheduler is not None
        scheduler.on_trial_add(nobody, fresh)
        return scheduler.on_trial_result(nobody, fresh, {"epoch": 1, "score": 0.1})

    assert decision() == "CONTINUE"
    for name in names[:3]:
        row = {"kind": "epoch", "epoch": 1, "step": 9, "validation_accuracy": 0.9}
        sweep.run(name).append({**row, "validation_loss": 0.3})
        sweep.end(name)
    assert decision() == "STOP"
