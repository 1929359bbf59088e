"""What the experiments share: real digits, a training loop, where to write figures."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from byhand import SGD, SoftmaxCrossEntropy, data, engines
from byhand.data import Split
from byhand.engines import Program
from byhand.initializers import He
from byhand.models import cnn
from byhand.randomness import batch_order
from byhand.training import Recipe, Run, trainer_for
from byhand.training.session import recipe_of
from byhand.views.style import STYLE

FIGURES = Path(__file__).parents[1] / "figures"


def output_folder() -> Path:
    """The first argument of the command line, or docs/figures."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES


@cache
def digits(train: int, test: int = 0) -> tuple[Split, Split]:
    """The first digits of MNIST's training set, and digits spread evenly over its test set (the
    first half of that is harder than the second)."""
    mnist = data.load("mnist")
    spread = np.linspace(0, len(mnist.test), test, endpoint=False, dtype=int)
    return mnist.train.first(train), Split(mnist.test.inputs[spread], mnist.test.targets[spread])


def learn(
    program: Program, split: Split, batch_size: int, seed: int, steps: int, every: int
) -> Iterator[int]:
    """Train, and come back before the first step and after `every` steps to be looked at."""
    epochs = math.ceil(steps * batch_size / len(split))
    order = np.concatenate([batch_order(seed, epoch, len(split)) for epoch in range(epochs)])
    rates = [program.description.optimizer.learning_rate] * every
    yield 0
    for step in range(0, steps, every):
        rest = order[step * batch_size :]
        program.train(split.inputs, split.targets, rest, batch_size, step, rates)
        yield step + every


def convolutional(steps: int) -> Program:
    """A small convolutional network, filters of 5 x 5, after so many steps on 10,000 digits."""
    train, _ = digits(10_000)
    model = cnn([12, 24], [60], 10, weights=He()).initialize(0, np.float32)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1))
    if steps:
        *_, _ = learn(program, train, 20, 0, steps, steps)
    return program


def trained(recipe: Recipe, folder: Path) -> Run:
    """The run in this folder, trained to its end."""
    if (folder / "config.toml").is_file():
        run = Run(folder)
        if run.status == "finished":
            return run
        trainer = trainer_for(recipe_of(run), run)
        trainer.resume()
    else:
        trainer = trainer_for(recipe)
        trainer.run = run = Run.create(recipe, folder.name, folder.parent)
    with run.locked():
        trainer.fit()
    return run


def publish(name: str, draw: Callable[[], Figure], lines: Sequence[str], folder: Path) -> None:
    """Print the numbers; write them to NAME.txt and the figure to NAME.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines)
    print(text)
    (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    # A fixed salt and no date: the same figure is the same file.
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": "byhand"}):
        draw().savefig(folder / f"{name}.svg", metadata={"Date": None})
