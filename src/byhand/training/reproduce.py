"""Published figures against ours: a set of recipes, each over several seeds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from byhand.errors import ByhandError, InputError
from byhand.training.environment import THREADS
from byhand.training.model_tables import FROM_THE_DATA
from byhand.training.recipe import Published, Recipe, all_recipes, find_recipe
from byhand.training.run import ROOT, Run
from byhand.training.session import (
    compile_recipe,
    load_data,
    preferred_engine,
    require,
    trained_program,
    trainer_for,
)

QUICK_EPOCHS = 3
QUICK_SEEDS = 2
SEEDS = 5
GRADIENT_EXAMPLES = 1000
Job = tuple[str, int, int | None, str, Path]
"""Arguments of `_train`: recipe, seed, epochs where they are cut, engine, folder."""


@dataclass(frozen=True)
class Comparison:
    """One published figure and ours, one value per seed.

    engine      that the runs were trained on
    shortened   whether the runs had fewer epochs than the recipe asks for, so that the figure is
                shown but not judged
    """

    recipe: Recipe
    published: Published
    engine: str
    values: tuple[float, ...]
    seconds: float
    shortened: bool

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation over seeds (n − 1 in the denominator); nan for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else float("nan")

    @property
    def inside(self) -> bool | None:
        """Whether the mean lies in the accepted band; None where there is nothing to judge."""
        return None if self.shortened else self.published.met_by(self.mean)


def _epochs(run: Run, column: str) -> list[float]:
    return [row[column] for row in run.rows("epoch")]


def _chosen_test_accuracy(run: Run) -> float:
    """On the test set, at the epoch that the monitored split chose."""
    best = run.best_epoch()
    return float(best["test_accuracy"]) if best else float("nan")


def _final_output(run: Run) -> float:
    """What the trained model answers to its first training example."""
    dataset = load_data(run.recipe.data)
    program = compile_recipe(run.recipe, dataset)
    program.set_parameters(run.parameters("model"))
    return float(program.predict(dataset.train.first(1).inputs)[0, 0])


def _first_layer_gradient(run: Run) -> float:
    """‖∂L/∂b‖ of the first hidden layer before training, over the first 1,000 training examples:
    Nielsen's "speed of learning"."""
    dataset = load_data(run.recipe.data)
    program = compile_recipe(run.recipe, dataset)
    some = dataset.train.first(GRADIENT_EXAMPLES)
    return float(np.linalg.norm(program.gradients(some.inputs, some.targets)[1]["hidden1.b"]))


METRICS: dict[str, Callable[[Run], float]] = {
    "best_test_accuracy": lambda run: max(_epochs(run, "test_accuracy")),
    "best_validation_accuracy": lambda run: max(_epochs(run, "validation_accuracy")),
    "best_validation_loss": lambda run: min(_epochs(run, "validation_loss")),
    "chosen_test_accuracy": _chosen_test_accuracy,
    "first_validation_accuracy": lambda run: _epochs(run, "validation_accuracy")[0],
    "final_output": _final_output,
    "first_layer_gradient": _first_layer_gradient,
}


def _voted_test_accuracy(runs: Sequence[Run]) -> float:
    """Of several runs together: each has a vote, and their mean probabilities decide a tie."""
    test = load_data(runs[0].recipe.data).test
    answers = np.stack([trained_program(run).predict(test.inputs) for run in runs])
    votes = np.eye(answers.shape[-1])[answers.argmax(axis=-1)].sum(axis=0)
    # A probability is at most 1, so half the mean is never worth a vote.
    chosen = (votes + answers.mean(axis=0) / 2).argmax(axis=-1)
    return float(np.mean(chosen == test.targets))


METRICS_OF_ALL: dict[str, Callable[[Sequence[Run]], float]] = {
    "voted_test_accuracy": _voted_test_accuracy,
}
"""One figure for the runs of all seeds together."""


def recipes_of(set_name: str) -> list[Recipe]:
    """The recipes of a set.

    Raises      InputError, which names the sets there are.
    """
    found = [recipe for recipe in all_recipes() if recipe.set == set_name]
    if not found:
        sets = sorted({recipe.set for recipe in all_recipes() if recipe.set})
        raise InputError(f"no set of recipes {set_name!r}; there is {', '.join(sets)}")
    return found


def reproduce(
    set_name: str,
    *,
    seeds: int = SEEDS,
    quick: bool = False,
    engine: str | None = None,
    root: Path = ROOT,
    notify: Callable[[str], None] = print,
) -> list[Comparison]:
    """Train every recipe of a set with seeds 0, 1, …, and compare.

    The runs are kept under `root`/reproduce-SET, those of each engine for themselves: what is
    finished there is used again, what was interrupted is resumed. One process per core, each with a
    single thread. `quick` cuts each run to QUICK_EPOCHS epochs. Without an `engine` it is the
    native one, or NumPy where that cannot run.
    """
    if seeds < 1:
        raise InputError(f"--seeds is at least 1, found {seeds}")
    folder = root / f"reproduce-{set_name}"
    recipes = recipes_of(set_name)
    if engine is None:
        engine, reason = preferred_engine()
        if reason:
            notify(f"training on {engine}: {reason}")
    require(engine)
    jobs = [
        (recipe.name, seed, QUICK_EPOCHS if quick else None, engine, folder)
        for seed in range(seeds)
        for recipe in recipes
    ]
    names: dict[tuple[str, int], str] = {}
    for (name, seed, *_), (run, text) in _in_parallel(jobs):
        names[name, seed] = run
        notify(f"{len(names)}/{len(jobs)}  {text}")
    comparisons = []
    for recipe in recipes:
        runs = [Run(folder / names[recipe.name, seed]) for seed in range(seeds)]
        comparisons += _compare(recipe, runs)
    return comparisons


def _in_parallel(jobs: Sequence[Job]) -> Iterator[tuple[Job, tuple[str, str]]]:
    """Each job with what `_train` said of it, as they finish: one process per core."""
    waiting = iter(jobs)
    workers = min(os.cpu_count() or 1, len(jobs))
    with _single_threaded():
        # "spawn", so that NumPy starts afresh in each process and heeds the thread setting.
        pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c_to_training
        )
        # No more jobs than workers: one that waits in the pool's own queue cannot be called back.
        running = {pool.submit(_train, *job): job for job in islice(waiting, workers)}
        try:
            while running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
                    for job in islice(waiting, 1):
                        running[pool.submit(_train, *job)] = job
        except BaseException:
            # Ctrl-C in a terminal reaches the workers by itself, kill -INT only this process.
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started within use one thread each for matrix products."""
    saved = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for variable, value in saved.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value


def _leave_ctrl_c_to_training() -> None:
    """A worker heeds Ctrl-C while it trains, where it saves first; otherwise its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _train(name: str, seed: int, epochs: int | None, engine: str, folder: Path) -> tuple[str, str]:
    """Train one recipe with one seed, or find it trained: the run's name and a line about it."""
    recipe = find_recipe(name).with_training(seed=seed, engine=engine, threads=1)
    if epochs is not None and epochs < recipe.training.epochs:
        recipe = recipe.with_training(epochs=epochs)
    run = next((run for run in Run.all(folder) if _same(run.recipe, recipe)), None)
    run = run or Run.create(recipe, None, folder)
    if run.status == "finished":
        return run.name, f"{name} seed {seed}: kept from an earlier run"
    with run.locked():
        trainer = trainer_for(recipe, run)
        if run.metrics():
            trainer.resume()
        result = trainer.fit()
    if result.reason != "finished":
        raise ByhandError(f"{name} seed {seed} was stopped; the same command goes on from here")
    return run.name, f"{name} seed {seed}: {result.seconds:.0f} s"


def _same(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes train the same; what they say about it, and the threads, may differ, and
    some of the model follows from the data."""
    aside: dict[str, Any] = dict.fromkeys(("title", "set", "published"), True)
    aside |= {"training": {"threads"}, "model": FROM_THE_DATA}
    return one.model_dump(exclude=aside) == other.model_dump(exclude=aside)


def _compare(recipe: Recipe, runs: Sequence[Run]) -> list[Comparison]:
    seconds = statistics.fmean(_epochs(run, "seconds")[-1] for run in runs)
    training = runs[0].recipe.training
    shortened = training.epochs < recipe.training.epochs
    comparisons = []
    for published in recipe.published:
        if published.metric in METRICS_OF_ALL:
            values: tuple[float, ...] = (METRICS_OF_ALL[published.metric](runs),)
        else:
            values = tuple(METRICS[published.metric](run) for run in runs)
        comparisons.append(
            Comparison(recipe, published, training.engine, values, seconds, shortened)
        )
    return comparisons
