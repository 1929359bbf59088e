"""What the loop refuses before it trains, and the last batch that it leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Split
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.layers import BatchNorm, Dense, Flatten, ReLU, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD
from byhand.randomness import batch_order
from byhand.training import Trainer

from .tiny import (
    BATCH,
    TRAIN,
    assert_close,
    heaps,
    heaps_data,
    heaps_program,
    heaps_trainer,
)


def normalised(engine: str) -> Program:
    model = Sequential(Dense(4, 6), BatchNorm(6), ReLU(), Dense(6, 3)).initialize(0, np.float32)
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.3), engine=engine)


def test_a_last_batch_of_one_that_cannot_be_normalised_is_left_out(engine: str) -> None:
    data = heaps_data(8 * BATCH + 1)
    program, peer, plain = normalised(engine), normalised(engine), heaps_program(engine=engine)
    trainer = Trainer(program, data, epochs=2, batch_size=BATCH)
    result = trainer.fit()
    assert (result.reason, result.epochs, result.steps) == ("finished", 2, 2 * 8)
    for epoch in range(2):
        order = batch_order(0, epoch, len(data.train))[:-1]
        peer.train(data.train.inputs, data.train.targets, order, BATCH, 8 * epoch, [0.3] * 8)
    assert_close(program, peer)
    assert Trainer(plain, data, epochs=2, batch_size=BATCH).fit().steps == 2 * 9


def test_a_last_batch_of_one_whose_pixels_have_a_variance_is_trained_on(engine: str) -> None:
    data = heaps_data(8 * BATCH + 1)
    pixels = {name: getattr(data, name) for name in ("train", "validation", "test")}
    images = {k: Split(s.inputs.reshape(-1, 1, 2, 2), s.targets) for k, s in pixels.items()}
    model = Sequential(BatchNorm(1), Flatten(), Dense(4, 3)).initialize(0, np.float32)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.3), engine=engine)
    trainer = Trainer(program, replace(data, **images), epochs=1, batch_size=BATCH)
    assert trainer.fit().steps == 9


@pytest.mark.parametrize(("examples", "batch_size"), [(TRAIN, 1), (1, BATCH)])
def test_batches_of_one_that_cannot_be_normalised_are_refused_before_training(
    examples: int, batch_size: int
) -> None:
    with pytest.raises(InputError) as caught:
        Trainer(normalised("numpy"), heaps_data(examples), epochs=1, batch_size=batch_size)
    assert str(caught.value) == (
        'BatchNorm "batchnorm1": in training each feature needs two values or more, found x of '
        "shape (1, 6); use a larger batch, or leave a last one of one example out"
    )


def test_a_model_of_another_size_is_refused_before_training() -> None:
    program = engines.compile(mlp([5, 3]).initialize(0), SoftmaxCrossEntropy(), SGD(0.1))
    with pytest.raises(ShapeError) as caught:
        heaps_trainer(program)
    assert str(caught.value) == (
        'Dense "output": an example of x has shape (4,), W expects in = 5 (z = x W + b)'
    )


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_an_empty_split_is_refused(name: str) -> None:
    data = replace(heaps_data(), **{name: heaps(0)})
    with pytest.raises(InputError) as caught:
        Trainer(heaps_program(), data, epochs=1, batch_size=7)
    assert str(caught.value) == f"the {name} split of heaps is empty"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size are at least 1, found 0 and 7"),
        ({"batch_size": -1}, "epochs and batch_size are at least 1, found 4 and -1"),
        ({"monitor": "train"}, "monitor is validation or test, found 'train'"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        heaps_trainer(**arguments)
    assert str(caught.value) == message


def test_only_a_run_can_be_resumed() -> None:
    with pytest.raises(InputError) as caught:
        heaps_trainer().resume()
    assert str(caught.value) == "only a trainer with a run folder can resume"
