"""Workers together do what one process does, in this process and on Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.finite_differences import relative_error
from byhand.training import Run, Trainer, trainer_for
from byhand.training.data_parallel import DataParallel, data_parallel

from .tiny import assert_close, heaps_recipe

CHANGES = [
    "training.dtype=float64",
    "optimizer.name=adam",
    "optimizer.learning_rate=0.01",
    "regularizer.name=l2",
    "regularizer.strength=0.1",
    "clipping.name=global_norm",
    "clipping.limit=0.5",
]


class Alone:
    """A worker in this process, and as much of Ray as the program asks for."""

    def __init__(self, program: Any) -> None:
        self.asked: list[tuple[int, int]] = []
        self.gradients = self
        self._program = program

    def remote(self, parameters: Any, inputs: Any, targets: Any, share: Any, step: int) -> Any:
        self.asked.append((len(share), step))
        self._program.set_parameters(parameters)
        return self._program.gradients(inputs[share], targets[share], step)

    @staticmethod
    def put(value: Any) -> Any:
        return value

    @staticmethod
    def get(values: list[Any]) -> list[Any]:
        return values


def trained(trainer: Trainer) -> Trainer:
    trainer.fit()
    return trainer


def with_workers(trainer: Trainer, recipe: Any, count: int) -> list[Alone]:
    workers = [Alone(trainer_for(recipe).program) for _ in range(count)]
    trainer.program = DataParallel(trainer.program, Alone, workers)
    return workers


@pytest.mark.parametrize("count", [2, 3, 5])
def test_shares_that_are_not_equal_are_weighted(tmp_path: Path, count: int) -> None:
    """Batches of 7 and a last one of 2, which leaves some of the five workers without a share."""
    recipe = heaps_recipe(tmp_path, *CHANGES)
    alone, together = trained(trainer_for(recipe)), trainer_for(recipe)
    workers = with_workers(together, recipe, count)
    together.fit()
    assert_close(together.program, alone.program)
    sizes = [[size for size, _ in worker.asked[:11]] for worker in workers]
    assert [size[0] for size in sizes] == [len(part) for part in np.array_split(range(7), count)]
    assert len(together.history) == 4
    for ours, theirs in zip(together.history, alone.history, strict=True):
        for key in ("train_loss", "validation_loss", "test_loss"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-12)


def test_every_worker_draws_dropout_masks_of_its_own(tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path, "model.dropout=0.5")
    trainer = trainer_for(recipe)
    workers = with_workers(trainer, recipe, 2)
    trainer.fit(epochs=1)
    steps = [[step for _, step in worker.asked] for worker in workers]
    assert steps[0][:3] == [0, 2, 4]
    assert steps[1][:3] == [1, 3, 5]


def test_a_loss_that_is_not_a_number_leaves_the_parameters_of_before(tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path)
    trainer = trainer_for(recipe)
    with_workers(trainer, recipe, 2)
    split = trainer.dataset.train
    inputs = split.inputs.copy()
    inputs[3] = np.nan
    before = trainer.program.parameters()
    losses = trainer.program.train(inputs, split.targets, np.arange(3, 9), 3, 0, [0.1, 0.1])
    assert len(losses) == 1
    assert np.isnan(losses[0])
    for name, value in trainer.program.parameters().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_two_processes_do_what_one_does(ray: Any, tmp_path: Path, engine: str) -> None:
    recipe = heaps_recipe(tmp_path, *CHANGES, f"training.engine={engine}")
    alone = trained(trainer_for(recipe))
    trainer = trainer_for(recipe, Run.create(recipe, "together"))
    with data_parallel(trainer, recipe, 2):
        assert isinstance(trainer.program, DataParallel)
        trainer.fit()
    assert_close(trainer.program, alone.program)
    kept = Run.open("together").parameters("model")
    for name, value in alone.program.parameters().items():
        assert relative_error(kept[name], value) < 1e-10


@pytest.mark.slow
def test_more_workers_than_processors(ray: Any, tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path)
    trainer = trainer_for(recipe)
    with pytest.raises(InputError) as error, data_parallel(trainer, recipe, 999):
        pass
    assert str(error.value).startswith(
        "999 workers of 1 threads need 999 processors, the cluster has "
    )
    assert str(error.value).endswith(": choose fewer --workers or --threads")


def test_batch_normalisation_is_refused() -> None:
    from byhand import engines
    from byhand.layers import BatchNorm, Dense, Sequential
    from byhand.losses import SoftmaxCrossEntropy
    from byhand.optimizers import SGD

    model = Sequential(Dense(4, 3), BatchNorm(3)).initialize(0)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1))
    with pytest.raises(InputError) as error:
        DataParallel(program, Alone, [])
    assert str(error.value) == (
        "batch normalisation looks at the whole batch, of which a worker sees a share: "
        "leave --workers out, or take a model without it"
    )
