"""A sweep: many runs of one recipe that differ in a few settings, in a folder of their own.

runs/NAME-sweep/
  sweep.json      the recipe, the spaces, the seed, and the settings of every trial
  ended.json      how each trial ended that is over; it is not run again
  trial-01/ …     one run folder per trial, as `byhand train` would make it
  figures/        what `byhand sweep` draws

The trials are drawn and their folders made before the first one starts, so what is left to do can
be read off the folder at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from byhand.data import Dataset
from byhand.errors import DamagedFileError, InputError, nearest
from byhand.storage import write_text
from byhand.training.cluster import cluster
from byhand.training.recipe import Recipe, find_recipe
from byhand.training.run import ROOT, Row, Run, numbered_folder, score
from byhand.training.session import compile_recipe, load_data, require
from byhand.training.sweep_space import Setting, draw_all, settings

How = Literal["finished", "stopped early", "failed"]
FILE, ENDED = "sweep.json", "ended.json"


@dataclass(frozen=True)
class Plan:
    """What a sweep was asked for: the recipe as it was named, the spaces, and so on; `trials` holds
    what was drawn for each trial, by the trial's name, as it would stand after `--set KEY=`."""

    recipe: str
    settings: tuple[Setting, ...]
    seed: int
    processors: int
    stop_early: bool
    trials: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Trial:
    """One trial as it stands.

    values      of the settings that vary, as the recipe holds them
    ended       how, or None while it is not over
    epochs      the rows of its finished epochs
    best        the row of the best of them by the monitored split; None before any
    planned     the epochs that its recipe asks for
    failure     why it failed, where it did
    """

    name: str
    values: dict[str, Any]
    ended: How | None
    epochs: tuple[Row, ...]
    best: Row | None
    planned: int
    failure: str | None


@dataclass(frozen=True)
class Sweep:
    """A sweep by its folder."""

    folder: Path

    @classmethod
    def create(
        cls,
        name: str,
        changes: Sequence[str],
        *,
        trials: int,
        seed: int = 0,
        processors: int = 1,
        stop_early: bool = True,
        root: Path = ROOT,
    ) -> Sweep:
        """Draw the trials of a recipe and make their folders; nothing is trained yet.

        changes     "optimizer.learning_rate=log(1e-3,1)" and the like, see `sweep_space`
        processors  of each trial, which is also how many threads it may use
        Raises      InputError for a bad space, and for a trial whose recipe cannot be trained
        """
        if trials < 1:
            raise InputError(f"--trials is at least 1, found {trials}")
        spaces = settings(changes)
        width = len(str(trials))
        drawn = {
            f"trial-{k:0{width}}": values
            for k, values in enumerate(draw_all(spaces, trials, seed), start=1)
        }
        recipes = {trial: _recipe(name, values, processors) for trial, values in drawn.items()}
        check(recipes)
        first = next(iter(recipes.values()))
        folder = numbered_folder(root, f"{first.name}-sweep")
        for trial, recipe in recipes.items():
            Run.create(recipe, trial, folder)
        plan = Plan(name, tuple(spaces), seed, processors, stop_early, drawn)
        # It comes last: a folder that has one is a complete sweep.
        write_text(folder / FILE, json.dumps(asdict(plan), indent=2) + "\n")
        return cls(folder)

    @classmethod
    def open(cls, name: str, root: Path = ROOT) -> Sweep:
        """The sweep of this name under `root`, or at this path.

        Raises      InputError, which names the nearest sweep there is.
        """
        for folder in (root / name, Path(name)):
            if (folder / FILE).is_file():
                return cls(folder)
        known = [path.parent.name for path in root.glob(f"*/{FILE}")]
        there = f"there is {', '.join(sorted(known))}" if known else "there is none yet"
        raise InputError(f"no sweep {name!r} in {root}/; {nearest(name, known, there)}")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @cached_property
    def plan(self) -> Plan:
        held = _read(self.folder / FILE)
        spaces = [Setting(s["key"], s["form"], tuple(s["arguments"])) for s in held["settings"]]
        return Plan(**{**held, "settings": tuple(spaces)})

    @property
    def monitor(self) -> str:
        """The split that decides: validation or test."""
        return str(self.run(next(iter(self.plan.trials))).recipe.training.monitor)

    def run(self, trial: str) -> Run:
        return Run(self.folder / trial)

    def ended(self) -> dict[str, How]:
        """How each trial ended that is over, in the order in which they ended."""
        path = self.folder / ENDED
        found: dict[str, How] = _read(path) if path.exists() else {}
        return found

    def end(self, trial: str) -> None:
        """Note that a trial is over, for whatever reason its run folder knows."""
        kinds = {row["kind"] for row in self.run(trial).metrics()}
        ways: tuple[How, ...] = ("finished", "failed")
        how = next((way for way in ways if way in kinds), "stopped early")
        write_text(self.folder / ENDED, json.dumps({**self.ended(), trial: how}, indent=2) + "\n")

    def trial(self, name: str) -> Trial:
        run = self.run(name)
        recipe, epochs = run.recipe, run.rows("epoch")
        failures = [row["message"] for row in run.rows("failed")]
        return Trial(
            name,
            {s.key: _value(recipe, s.key) for s in self.plan.settings if s.varies},
            self.ended().get(name),
            tuple(epochs),
            run.best_epoch(),
            recipe.training.epochs,
            failures[-1] if failures else None,
        )

    def trials(self) -> list[Trial]:
        """Every trial, the best first, those without an epoch last."""
        monitor = self.monitor
        return sorted(
            (self.trial(name) for name in self.plan.trials),
            key=lambda trial: -score(trial.best, monitor) if trial.best else float("inf"),
        )

    def fit(
        self, address: str | None = None, notify: Callable[[Trial], None] = lambda trial: None
    ) -> None:
        """Train what is not over yet; `notify` hears of each trial that ends.

        address     of a Ray cluster, see `cluster`; without one this machine is used
        Raises      InputError where there is no Ray; KeyboardInterrupt at Ctrl-C, with every
                    finished epoch saved
        """
        waiting = [name for name in self.plan.trials if name not in self.ended()]
        if not waiting:
            return
        with cluster(address, self.plan.processors):
            from byhand.training.sweep_tune import tune_trials

            recipes = {name: self.run(name).recipe for name in waiting}
            tune_trials(self, recipes, data_sets(recipes), notify)


def check(recipes: Mapping[str, Recipe]) -> None:
    """Compile every trial, so that what cannot be trained is refused before anything is.

    Raises      InputError
    """
    for recipe in recipes.values():
        require(recipe.training.engine)
    loaded = data_sets(recipes)
    for trial, recipe in recipes.items():
        try:
            compile_recipe(recipe, loaded[data_key(recipe)])
        except InputError as error:
            raise InputError(f"{trial}: {error}") from None


def data_key(recipe: Recipe) -> str:
    """The same for recipes of the same data."""
    return recipe.data.model_dump_json()


def data_sets(recipes: Mapping[str, Recipe]) -> dict[str, Dataset]:
    """The data of all trials, each data set loaded once."""
    tables = {data_key(recipe): recipe.data for recipe in recipes.values()}
    return {key: load_data(table) for key, table in tables.items()}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is not what a sweep wrote: {error}") from None


def _recipe(name: str, values: Mapping[str, str], processors: int) -> Recipe:
    recipe = find_recipe(name, [f"{key}={value}" for key, value in values.items()])
    return recipe if recipe.training.threads else recipe.with_training(threads=processors)


def _value(recipe: Recipe, key: str) -> Any:
    """What the recipe holds under a dotted key."""
    value: Any = recipe.model_dump()
    for step in key.split("."):
        value = value[step]
    return value
