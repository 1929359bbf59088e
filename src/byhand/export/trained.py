"""What is exported: a run's network of its best epoch, and examples with its answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from byhand.data import Split
from byhand.engines import Program
from byhand.training import Run, load_data, trained_program

EXAMPLES = 1000
"""Of the test set, at most."""


@dataclass(frozen=True)
class Trained:
    """A program with the parameters of the run's best epoch, some of its test examples in the
    model's dtype, and the program's answers to them."""

    title: str
    program: Program
    examples: Split
    answers: NDArray[Any]


def trained(run: Run, engine: str | None = None) -> Trained:
    """Raises      InputError where the run has not finished an epoch, or its engine cannot run"""
    dataset = load_data(run.recipe.data)
    program = trained_program(run, dataset, engine)
    dtype = next(iter(program.parameters().values())).dtype
    some = dataset.test.first(EXAMPLES)
    examples = Split(some.inputs.astype(dtype), some.targets)
    about = f"{run.recipe.title} (byhand, run {run.name})"
    return Trained(about, program, examples, program.predict(examples.inputs))
