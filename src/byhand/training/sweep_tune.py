"""The trials of a sweep as Ray Tune runs them; imported only where Ray is wanted and installed.

A trial is an actor in a process of its own. It trains one epoch at a time into its run folder and
reports the score; between two epochs the folder is that of a run that was stopped, so wherever a
trial ends, `byhand resume` can go on with it.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from byhand.data import Dataset
from byhand.errors import ByhandError, InputError, TrainingError
from byhand.training.recipe import Recipe
from byhand.training.run import Row, Run, score
from byhand.training.session import trainer_for
from byhand.training.sweep import Sweep, Trial, data_key
from byhand.training.trainer import Trainer

REDUCTION = 3
"""At epochs 1, 3, 9, … a trial goes on if it is among the best third of those that came as far."""


class TrialRun(tune.Trainable):
    """Trains one trial, an epoch at each step; an actor that is done takes the next trial."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._folder: Path = given["folder"]
        self._data: Mapping[str, Dataset] = given["data"]
        self._held = ExitStack()
        self._trainer: Trainer | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        return True

    def step(self) -> dict[str, Any]:
        # Not in setup: Ray may give a trial to an idle actor while one is being set up for it.
        trainer = self._trainer = self._trainer or self._begin(self.config["trial"])
        try:
            result = trainer.fit(epochs=1)
        except TrainingError:
            return {"done": True}
        return _report(trainer.history[-1], trainer.monitor, result.reason == "finished")

    def _begin(self, trial: str) -> Trainer:
        """Raises      InputError where this machine does not see the sweep's folder."""
        run = Run(self._folder / trial)
        if not (run.folder / "config.toml").is_file():
            raise InputError(
                f"{run.folder} is not on {socket.gethostname()}: a sweep on several machines needs "
                "a folder that all of them share under the same path"
            )
        self._held.enter_context(run.locked())
        recipe = run.recipe
        trainer = trainer_for(recipe, run, dataset=self._data[data_key(recipe)])
        if run.metrics():
            trainer.resume()
        return trainer

    def cleanup(self) -> None:
        self._held.close()
        self._trainer = None


class Ledger(tune.Callback):
    """Notes in the sweep's folder which trials are over."""

    def __init__(self, sweep: Sweep, notify: Callable[[Trial], None]) -> None:
        self._sweep = sweep
        self._notify = notify

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        name = trial.config["trial"]
        self._sweep.end(name)
        self._notify(self._sweep.trial(name))


def tune_trials(
    sweep: Sweep,
    recipes: Mapping[str, Recipe],
    data: Mapping[str, Dataset],
    notify: Callable[[Trial], None],
) -> None:
    """Train these trials of the sweep on the cluster that this process has joined."""
    folder = sweep.folder.resolve()
    trainable = tune.with_parameters(TrialRun, folder=folder, data=dict(data))
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": sweep.plan.processors}),
        param_space={"trial": tune.grid_search(list(recipes))},
        tune_config=tune.TuneConfig(scheduler=_scheduler(sweep, recipes), reuse_actors=True),
        run_config=tune.RunConfig(
            name=".tune",
            storage_path=str(folder),
            callbacks=[Ledger(sweep, notify)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(fail_fast=True),
            verbose=0,
        ),
    )
    try:
        results = tuner.fit()
    finally:
        # Ray's own notes of the sweep; ours say more.
        shutil.rmtree(folder / ".tune", ignore_errors=True)
    for error in results.errors:
        raise _in_a_line(error, sweep)


def _in_a_line(error: Exception, sweep: Sweep) -> ByhandError:
    """What went wrong with a trial beside its mathematics, without the traceback of its process."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, ByhandError):
        return cause
    text = str(cause).strip().splitlines()[0]
    return ByhandError(
        f"a trial could not be trained: {type(cause).__name__}: {text}; "
        f"go on with: byhand sweep --resume {sweep.name}"
    )


def _scheduler(sweep: Sweep, recipes: Mapping[str, Recipe]) -> ASHAScheduler | None:
    """Asynchronous successive halving, which knows the trials that are over already; None where no
    trial is to be stopped.

    Source      Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """
    if not sweep.plan.stop_early:
        return None
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="score",
        mode="max",
        max_t=max(recipe.training.epochs for recipe in recipes.values()),
        reduction_factor=REDUCTION,
    )
    nobody: Any = None  # the scheduler asks nothing of its controller, of a trial only its name
    for name in sweep.ended():
        past: Any = SimpleNamespace(trial_id=name)
        scheduler.on_trial_add(nobody, past)
        for row in sweep.trial(name).epochs:
            scheduler.on_trial_result(nobody, past, _report(row, sweep.monitor))
    return scheduler


def _report(row: Row, monitor: str, done: bool = False) -> dict[str, Any]:
    return {"epoch": row["epoch"], "score": score(row, monitor), "done": done}
