"""From a recipe to what it describes: a program, a trainer that is ready to go, and the same steps
on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from byhand import data, engines
from byhand.data import Dataset, Languages, Split, Vocabulary
from byhand.engines import parity
from byhand.errors import InputError
from byhand.schedules import Plan, Schedule
from byhand.training import parts
from byhand.training.model_tables import GPTTable
from byhand.training.order import steps_per_epoch
from byhand.training.recipe import OF_TORCH, DataTable, Recipe
from byhand.training.run import Run
from byhand.training.trainer import Listener, Trainer


def load_data(
    table: DataTable,
    vocabulary: Vocabulary | None = None,
    languages: Languages | None = None,
) -> Dataset:
    """The data set that a recipe names; a text in the tokens of `vocabulary`, and pairs in those of
    `languages`, where they are given."""
    if table.kind in ("text", "pairs", "task"):
        return _sequences(table, vocabulary, languages)
    if table.name is not None:
        return data.load(table.name)
    if table.images is not None:
        return data.images(table.images)
    if table.table is not None:
        return data.table(table.table, target=table.target)
    return _inline(table)


def _sequences(
    table: DataTable, vocabulary: Vocabulary | None, languages: Languages | None
) -> Dataset:
    if table.kind == "text":
        source = table.name if table.text is None else table.text
        return data.text(
            str(source),
            steps=table.steps,
            tokens=table.tokens or "characters",
            vocabulary=vocabulary or table.vocabulary,
        )
    longest = {} if table.longest is None else {"longest": table.longest}
    if table.kind == "pairs":
        return data.pairs(
            table.pairs or str(table.name),
            tokens=table.tokens or "words",
            vocabulary=languages or table.vocabulary,
            limit=table.limit,
            **longest,
        )
    symbols = {} if table.vocabulary is None else {"symbols": table.vocabulary}
    return data.task(str(table.task), **longest, **symbols)


def _inline(table: DataTable) -> Dataset:
    """The numbers written in the recipe, for training, validation and test alike."""
    try:
        split = Split(np.array(table.inputs, np.float32), np.array(table.targets, np.float32))
    except ValueError:
        raise InputError("data.inputs and data.targets: expected rows of equal length") from None
    return Dataset("inline", split, split, split, ())


def data_of(run: Run) -> Dataset:
    """The data set that a run is trained on, in the tokens that the run keeps."""
    return load_data(run.recipe.data, run.vocabulary, run.languages)


def compile_recipe(recipe: Recipe, dataset: Dataset) -> engines.Program:
    """The recipe's program with its starting parameters.

    Raises      InputError where the model's sizes are not those of the data.
    """
    training = recipe.training
    regularizer, clipping = recipe.regularizer, recipe.clipping
    augmentation = _augmentation(recipe)
    try:
        fitted = recipe.model.fitted(dataset, recipe.loss)
        model = fitted.build(training.seed, training.dtype)
    except InputError as error:
        raise InputError(f"{recipe.name}: {error}") from None
    return engines.compile(
        model,
        parts.LOSSES[recipe.loss](),
        parts.build(recipe.optimizer, parts.OPTIMIZERS),
        regularizer=parts.build(regularizer, parts.REGULARIZERS) if regularizer else None,
        clipping=parts.build(clipping, parts.CLIPPINGS) if clipping else None,
        examples=len(dataset.train) * (augmentation.times if augmentation else 1),
        seed=training.seed,
        engine=training.engine,
        threads=training.threads,
        device=training.device,
        compile=training.compile,
        amp=training.amp,
        carry_state=training.carry_state,
    )


def trainer_for(
    recipe: Recipe,
    run: Run | None = None,
    listeners: tuple[Listener, ...] = (),
    dataset: Dataset | None = None,
) -> Trainer:
    """A trainer at the recipe's first step, on its data set or on the one that is given.

    Raises      InputError where the recipe's engine cannot run here, before any data is loaded.
    """
    require(recipe.training.engine)
    if dataset is None:
        kept = (run.vocabulary, run.languages) if run else (None, None)
        dataset = load_data(recipe.data, *kept)
    training = recipe.training
    program = compile_recipe(recipe, dataset)
    if augmentation := _augmentation(recipe):
        dataset = replace(dataset, train=augmentation.apply(dataset.train, training.seed))
    return Trainer(
        program,
        dataset,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=training.seed,
        schedule=_schedule(recipe),
        monitor=training.monitor,
        patience=training.patience,
        run=run,
        keep_epochs=training.keep_epochs,
        epoch_steps=training.steps_per_epoch,
        listeners=listeners,
    )


def _augmentation(recipe: Recipe) -> Any:
    """What makes more training images, where the recipe asks for it."""
    table = recipe.augmentation
    return parts.build(table, parts.AUGMENTATIONS) if table else None


def _schedule(recipe: Recipe) -> Schedule:
    schedule: Schedule = parts.build(recipe.schedule or {"name": "constant"}, parts.SCHEDULES)
    return schedule


def require(engine: str) -> None:
    """Raises      InputError where the engine cannot run here; it says why, and what to do."""
    if reason := engines.available(engine):
        raise InputError(reason)


def preferred_engine() -> tuple[str, str | None]:
    """The fastest engine that runs here, and why it is not the native one, where it is not."""
    reason = engines.available("native")
    return ("native" if reason is None else "numpy"), reason


def recipe_of(run: Run, engine: str | None = None, **options: Any) -> Recipe:
    """The run's recipe on the engine that it was trained on, or on the one that is asked for, with
    other options for it, such as threads.

    Raises      InputError where that engine cannot run here, before any data is loaded.
    """
    own = run.recipe
    if engine is None and (reason := engines.available(own.training.engine)):
        raise InputError(
            f"run {run.name} was trained on {own.training.engine}: {reason}; "
            "--engine numpy takes it too, for a run's files are the same for all engines"
        )
    recipe = own.with_training(engine=engine, **options)
    require(recipe.training.engine)
    return recipe


def trained_program(
    run: Run, dataset: Dataset | None = None, engine: str | None = None
) -> engines.Program:
    """The run's program with the parameters of its best epoch, to evaluate and predict with."""
    # PyTorch's options were for training, perhaps on another machine.
    recipe = recipe_of(run, engine, **OF_TORCH)
    program = compile_recipe(recipe, dataset or data_of(run))
    program.set_parameters(run.parameters("best"))
    return program


def language_model(
    run: Run, engine: str | None = None, **options: Any
) -> tuple[engines.Program, Vocabulary]:
    """The program of a run that was trained on a text, with the parameters of its best epoch, and
    what its ids mean. The text itself is not needed.

    Raises      InputError where the run was trained on something else
    """
    recipe, vocabulary = recipe_of(run, engine, **{**OF_TORCH, **options}), run.vocabulary
    if vocabulary is None:
        raise InputError(
            f"run {run.name} was not trained on a text, so it cannot write one: "
            "train a recipe such as char-lstm"
        )
    return _without_data(recipe.with_vocabulary(len(vocabulary)), run), vocabulary


def translation_model(run: Run, engine: str | None = None) -> tuple[engines.Program, Languages]:
    """The program of a run that was trained on pairs of sentences, with the parameters of its best
    epoch, and what its ids mean. The pairs themselves are not needed.

    Raises      InputError where the run was trained on something else
    """
    recipe, languages = recipe_of(run, engine, **OF_TORCH), run.languages
    if languages is None:
        raise InputError(
            f"run {run.name} was not trained on pairs of sentences, so it cannot translate: train "
            'a recipe with a model of kind "seq2seq" or "transformer"'
        )
    return _without_data(recipe.with_languages(languages), run), languages


def _without_data(recipe: Recipe, run: Run) -> engines.Program:
    """The program of a recipe that leaves nothing to its data, with the run's parameters."""
    training = recipe.training
    program = engines.compile(
        recipe.model.build(training.seed, training.dtype),
        parts.LOSSES[recipe.loss](),
        parts.build(recipe.optimizer, parts.OPTIMIZERS),
        engine=training.engine,
        threads=training.threads,
        device=training.device,
    )
    program.set_parameters(run.parameters("best"))
    return program


def context_of(run: Run) -> int | None:
    """How many tokens a language model was trained to look at; None where it has a memory of what
    was before, which is without an end."""
    return run.recipe.data.steps if isinstance(run.recipe.model, GPTTable) else None


def compare_engines(
    recipe: Recipe, steps: int, tell: Callable[[str], None] = lambda text: None
) -> list[parity.Row]:
    """The recipe's first steps, at the learning rates of its schedule, on every engine that runs
    here beside NumPy, in float64 and in float32; `tell` hears what is being done.

    Raises      InputError where no engine but NumPy runs here, before any data is loaded.
    """
    others = {name: engines.available(name) for name in engines.ENGINES if name != parity.REFERENCE}
    names = [name for name, reason in others.items() if reason is None]
    if not names:
        raise InputError(f"nothing to compare NumPy with: {'; '.join(map(str, others.values()))}")
    tell("loading the data")
    dataset = load_data(recipe.data)
    train, training = dataset.train, recipe.training
    per_epoch = steps_per_epoch(
        len(train), training.batch_size, training.carry_state, training.steps_per_epoch
    )
    plan = Plan(per_epoch, training.epochs * per_epoch)
    order = None
    if training.carry_state:
        streams = data.stream_order(len(train), training.batch_size)
        order = lambda epoch: streams  # noqa: E731
    rows: list[parity.Row] = []
    for dtype in parity.DTYPES:
        # Its program's description is what all engines compile.
        as_written = recipe.with_training(dtype=dtype, engine=parity.REFERENCE)
        description = compile_recipe(as_written, dataset).description
        base = description.optimizer.learning_rate
        rates = [base * factor for factor in _schedule(recipe).factors(0, steps, plan)]
        rows += parity.compare(
            description, train.inputs, train.targets, training.batch_size, rates, names, tell, order
        )
    return rows
