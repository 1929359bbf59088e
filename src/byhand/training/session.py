"""From a recipe to a trainer that is ready to go, new or resumed."""

from __future__ import annotations

import math

import numpy as np

from byhand import data, engines
from byhand.data import Dataset, Split
from byhand.errors import InputError
from byhand.training import parts
from byhand.training.recipe import DataTable, Recipe
from byhand.training.run import Run
from byhand.training.trainer import Listener, Trainer


def load_data(table: DataTable) -> Dataset:
    """The data set that a recipe names."""
    if table.name is not None:
        return data.load(table.name)
    if table.images is not None:
        return data.images(table.images)
    if table.table is not None:
        return data.table(table.table, target=table.target)
    return _inline(table)


def _inline(table: DataTable) -> Dataset:
    """The numbers written in the recipe, for training, validation and test alike."""
    try:
        split = Split(np.array(table.inputs, np.float32), np.array(table.targets, np.float32))
    except ValueError:
        raise InputError("data.inputs and data.targets: expected rows of equal length") from None
    return Dataset("inline", split, split, split, ())


def compile_recipe(recipe: Recipe, dataset: Dataset) -> engines.Program:
    """The recipe's program with its starting parameters.

    Raises      InputError where the model's sizes are not those of the data.
    """
    _check_sizes(recipe, dataset)
    training = recipe.training
    regularizer, clipping = recipe.regularizer, recipe.clipping
    try:
        model = recipe.model.build(training.seed, training.dtype)
    except InputError as error:
        raise InputError(f"{recipe.name}: {error}") from None
    return engines.compile(
        model,
        parts.LOSSES[recipe.loss](),
        parts.build(recipe.optimizer, parts.OPTIMIZERS),
        regularizer=parts.build(regularizer, parts.REGULARIZERS) if regularizer else None,
        clipping=parts.build(clipping, parts.CLIPPINGS) if clipping else None,
        examples=len(dataset.train),
        seed=training.seed,
        engine=training.engine,
    )


def _check_sizes(recipe: Recipe, dataset: Dataset) -> None:
    sizes = recipe.model.sizes
    inputs = math.prod(dataset.input_shape)
    if sizes[0] != inputs:
        shape = " x ".join(map(str, dataset.input_shape))
        raise InputError(
            f"{recipe.name}: model.sizes: {dataset.name} has {inputs} inputs ({shape}), "
            f"the first size is {sizes[0]}"
        )
    if dataset.classes:
        outputs, what = len(dataset.classes), "classes"
        if outputs == 2 and sizes[-1] == 1 and recipe.loss != "softmax_cross_entropy":
            return
    else:
        outputs, what = dataset.train.targets.shape[1], "values to predict"
    if sizes[-1] != outputs:
        raise InputError(
            f"{recipe.name}: model.sizes: {dataset.name} has {outputs} {what}, "
            f"the last size is {sizes[-1]}"
        )


def trainer_for(
    recipe: Recipe, run: Run | None = None, listeners: tuple[Listener, ...] = ()
) -> Trainer:
    """A trainer at the recipe's first step."""
    dataset = load_data(recipe.data)
    training = recipe.training
    return Trainer(
        compile_recipe(recipe, dataset),
        dataset,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=training.seed,
        schedule=parts.build(recipe.schedule or {"name": "constant"}, parts.SCHEDULES),
        monitor=training.monitor,
        patience=training.patience,
        run=run,
        listeners=listeners,
    )


def trained_program(run: Run, dataset: Dataset | None = None) -> engines.Program:
    """The run's program with the parameters of its best epoch, to evaluate and predict with."""
    recipe = run.recipe
    program = compile_recipe(recipe, dataset or load_data(recipe.data))
    program.set_parameters(run.parameters("best"))
    return program
