"""What is exported: a run's network of its best epoch, and examples with its answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Split
from byhand.engines import Program
from byhand.layers import Bidirectional, Layer, Sequential
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import are_labels
from byhand.training import Run, trained_program
from byhand.training.session import data_of

EXAMPLES = 1000
"""Of the test set, at most; of sequences as many as have so many steps together."""


@dataclass(frozen=True)
class Trained:
    """A program with the parameters of the run's best epoch, some of its test examples in the
    model's dtype, or as ids in int64, and the program's answers to them."""

    title: str
    program: Program
    examples: Split
    answers: NDArray[Any]


def trained(run: Run, engine: str | None = None) -> Trained:
    """Raises      InputError where the run has not finished an epoch, or its engine cannot run"""
    dataset = data_of(run)
    program = trained_program(run, dataset, engine)
    dtype = next(iter(program.parameters().values())).dtype
    ids = are_labels(dataset.test.inputs)
    count = max(1, EXAMPLES // dataset.test.inputs.shape[-1]) if ids else EXAMPLES
    some = dataset.test.first(count)
    examples = Split(some.inputs.astype(np.int64 if ids else dtype), some.targets)
    about = f"{run.recipe.title} (byhand, run {run.name})"
    return Trained(about, program, examples, program.predict(examples.inputs))


def recurrent_layers(model: Sequential) -> list[Layer]:
    """Those that remember, inside of blocks as well: RNN, GRU, LSTM, and Bidirectional, too."""
    found: list[Layer] = []
    for layer in model.layers:
        if isinstance(layer, Sequential):
            found += recurrent_layers(layer)
        elif isinstance(layer, RecurrentLayer | Bidirectional):
            found.append(layer)
    return found
