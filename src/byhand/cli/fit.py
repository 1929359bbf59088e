"""Training as `train`, `resume` and `tour` show it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import typer

from byhand.cli.errors import INTERRUPTED
from byhand.cli.outcome import facts, outcome, published
from byhand.cli.progress import progress
from byhand.cli.say import print_facts, print_json

if TYPE_CHECKING:
    from byhand.training import Listener, Recipe, Result, Run, Trainer


def fit(
    recipe: Recipe,
    name: str | None = None,
    *,
    workers: int = 1,
    address: str | None = None,
    tensorboard: bool = False,
    as_json: bool = False,
) -> Run:
    """Train a recipe into a new run, with so many workers, of a Ray cluster where they are many."""
    from byhand.training import Run, trainer_for

    # The trainer first: where the data and the model do not fit there is to be no run folder.
    trainer = trainer_for(recipe, listeners=listeners(as_json, tensorboard))
    with _workers(trainer, recipe, workers, address):
        trainer.run = run = Run.create(recipe, name)
        say(f"{recipe.title}\nrun folder {run.folder}", as_json)
        with run.locked():
            result = trainer.fit()
    leave_if_stopped(run, trainer, result, as_json)
    return run


def _workers(
    trainer: Trainer, recipe: Recipe, count: int, address: str | None
) -> AbstractContextManager[None]:
    if count == 1:
        return nullcontext()
    from byhand.training.data_parallel import data_parallel

    return data_parallel(trainer, recipe, count, address)


def listeners(as_json: bool, tensorboard: bool) -> tuple[Listener, ...]:
    """Who is told of the run as it goes."""
    if not tensorboard:
        return (progress(as_json),)
    from byhand.training.tensorboard import TensorBoard

    return progress(as_json), TensorBoard()


def leave_if_stopped(run: Run, trainer: Trainer, result: Result, as_json: bool) -> None:
    """End the command where Ctrl-C ended the training."""
    if result.reason != "stopped":
        return
    say(
        f"stopped at step {result.steps} (epoch {trainer.epoch + 1} of {trainer.epochs}), "
        f"everything is saved; go on with: byhand resume {run.name}",
        as_json,
    )
    if as_json:
        print_json(outcome(run))
    raise typer.Exit(INTERRUPTED)


def show_end(run: Run, as_json: bool) -> None:
    """What came of a run."""
    found = outcome(run) | {"published": published(run)}
    if as_json:
        print_json(found)
    else:
        print_facts([*facts(found), ("next", f"byhand show {run.name}")])


def say(text: str, as_json: bool) -> None:
    """For people: on stdout, or beside the JSON on stderr."""
    print(text, file=sys.stderr if as_json else sys.stdout, flush=True)
