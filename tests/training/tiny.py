"""What the tests of this room share: data sets, recipes and trainers that train in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from byhand import engines
from byhand.data import Dataset, Split
from byhand.engines import Program
from byhand.finite_differences import relative_error
from byhand.losses import Loss, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Optimizer
from byhand.training import Recipe, Run, Trainer, read_recipe, trainer_for

TRAIN, BATCH = 60, 7
STEPS = 9
"""Steps per epoch: eight batches of 7 and a short one of 4."""

RECIPE = """\
title = "Three heaps of points"
loss = "softmax_cross_entropy"

[data]
table = "{table}"

[model]
sizes = [4, 6, 3]
activation = "relu"

[optimizer]
name = "sgd"
learning_rate = 0.3

[training]
epochs = 4
batch_size = 7
"""


def heaps(examples: int, seed: int = 0) -> Split:
    """Points around three corners, labelled by their corner."""
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % 3
    points = 2 * np.eye(4)[labels] + 0.4 * random.standard_normal((examples, 4))
    return Split(points.astype(np.float32), labels.astype(np.int64))


def heaps_data(train: int = TRAIN) -> Dataset:
    splits = (heaps(n, seed) for seed, n in enumerate((train, 20, 30)))
    return Dataset("heaps", *splits, ("a", "b", "c"))


def line_data() -> Dataset:
    """A noisy linear function of two inputs: regression, so no classes."""

    def split(examples: int, seed: int) -> Split:
        random = np.random.default_rng(seed)
        x = random.standard_normal((examples, 2))
        y = x @ [[1.0], [-2.0]] + 0.1 * random.standard_normal((examples, 1))
        return Split(x.astype(np.float32), y.astype(np.float32))

    return Dataset("line", split(40, 0), split(10, 1), split(10, 2), ())


def heaps_program(
    optimizer: Optimizer = SGD(0.3),  # noqa: B008  # frozen
    loss: Loss | None = None,
    dtype: str = "float32",
    seed: int = 0,
    engine: str = "numpy",
    **model: Any,
) -> Program:
    network = mlp([4, 6, 3], **{"activation": "relu", **model}).initialize(seed, dtype)
    return engines.compile(
        network, loss or SoftmaxCrossEntropy(), optimizer, seed=seed, engine=engine
    )


def heaps_trainer(program: Program | None = None, **arguments: Any) -> Trainer:
    defaults = {"epochs": 4, "batch_size": BATCH}
    return Trainer(program or heaps_program(), heaps_data(), **{**defaults, **arguments})


def write_recipe(folder: Path) -> Path:
    """A recipe file with its data beside it."""
    data = heaps(90)
    rows = [
        ",".join([*(f"{x:.6f}" for x in point), "abc"[label]])
        for point, label in zip(data.inputs, data.targets, strict=True)
    ]
    table = folder / "heaps.csv"
    table.write_text("\n".join(["x1,x2,x3,x4,label", *rows]) + "\n")
    path = folder / "heaps.toml"
    path.write_text(RECIPE.format(table=table))
    return path


def heaps_recipe(folder: Path, *changes: str) -> Recipe:
    return read_recipe(write_recipe(folder), changes)


TALE = "".join(f"{k} birds sang, {k * k % 7} did not.\n" for k in range(40))
TEXT_RECIPE = """\
title = "A tale"
loss = "softmax_cross_entropy"

[data]
text = "{text}"
steps = 5

[model]
kind = "char_rnn"
hidden = [6]

[optimizer]
name = "adam"
learning_rate = 0.02

[clipping]
name = "global_norm"
limit = 1.0

[training]
epochs = 2
batch_size = 4
carry_state = true
"""


def tale_recipe(folder: Path, *changes: str, text: str = TALE) -> Recipe:
    """A recipe that reads a text, with the text beside it."""
    (folder / "tale.txt").write_text(text, "utf-8")
    path = folder / "tale.toml"
    path.write_text(TEXT_RECIPE.format(text=folder / "tale.txt"), "utf-8")
    return read_recipe(path, changes)


def start(
    recipe: Recipe, folder: Path, *listeners: Any, name: str | None = None, log_every: int = 4
) -> Trainer:
    """A trainer with a new run folder that observes every few steps."""
    trainer = trainer_for(recipe, Run.create(recipe, name, folder), listeners)
    trainer.log_every = log_every
    return trainer


def go_on(run: Run, *listeners: Any, log_every: int = 4) -> Trainer:
    """A new trainer for the run, put to where it stands."""
    trainer = trainer_for(run.recipe, run, listeners)
    trainer.log_every = log_every
    trainer.resume()
    return trainer


def history(run: Run) -> list[dict[str, Any]]:
    """The rows of steps, epochs and histograms, without the time taken."""
    rows = [row for row in run.metrics() if row["kind"] in ("step", "epoch", "histograms")]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same(a: Program, b: Program) -> None:
    """Bit for bit the same parameters and optimizer state."""
    for one, other in (
        (a.parameters(), b.parameters()),
        (a.optimizer_state(), b.optimizer_state()),
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value.dtype == other[name].dtype
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def assert_close(a: Program, b: Program) -> None:
    """The same parameters and optimizer state but for roundings, as two engines compute them."""
    for one, other in (
        (a.parameters(), b.parameters()),
        (a.optimizer_state(), b.optimizer_state()),
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value.dtype == other[name].dtype
            bound = 1e-10 if value.dtype == np.float64 else 1e-5
            assert relative_error(value, other[name]) < bound, name


@dataclass
class Ear:
    """A listener that notes every call and may do something on progress or at a row."""

    on_progress: Callable[[Trainer], None] = lambda trainer: None
    on_row: Callable[[dict[str, Any]], None] = lambda row: None
    calls: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def start(self, trainer: Trainer) -> None:
        self.calls.append("start")

    def progress(self, trainer: Trainer) -> None:
        self.calls.append("progress")
        self.on_progress(trainer)

    def row(self, row: dict[str, Any]) -> None:
        self.calls.append("row")
        self.rows.append(row)
        self.on_row(row)

    def end(self) -> None:
        self.calls.append("end")
