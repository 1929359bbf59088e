"""A recipe: one experiment as a TOML file, read strictly.

title = "…"
loss = "softmax_cross_entropy"
[data]         name = "mnist", or another source, and what is asked of it
[model]        kind = "mlp", sizes = [784, 30, 10], …
[optimizer]    name = "sgd", learning_rate = 0.5, …
[augmentation] name = "shifts", …              more training images; may be left out
[regularizer]  [clipping]  [schedule]          as [optimizer]; may be left out
[training]     epochs, batch_size, seed, …
[[published]]  each figure that the recipe reproduces, where there are any
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from byhand.data import Languages
from byhand.data.files import PAIRS, TEXTS
from byhand.data.languages import size
from byhand.data.pairs import LONGEST, LONGEST_OF_TASKS
from byhand.data.pairs import check_choices as check_pairs
from byhand.data.texts import STEPS
from byhand.data.texts import check_choices as check_text
from byhand.errors import InputError, nearest
from byhand.storage import shipped
from byhand.training import parts
from byhand.training.model_tables import (
    KINDS,
    GPTTable,
    ModelTable,
    Positive,
    Table,
    TransformerTable,
)

LOSSES_OF_SCORES = ("softmax_cross_entropy", "binary_cross_entropy_with_logits")


EXPECTED = {
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "model_type": "expected a table",
    "dict_type": "expected a table",
}
"""pydantic's error types that deserve a plainer word than its own."""
ENTRIES = ("no entries", "one entry", "two entries", "three entries")


SOURCES = ("name", "images", "table", "text", "pairs", "task", "inputs")
OF_SEQUENCES = {
    "steps": ("text",),
    "longest": ("pairs", "task"),
    "limit": ("pairs",),
    "tokens": ("text", "pairs"),
    "vocabulary": ("text", "pairs", "task"),
}
"""What only some kinds of data have."""


class DataTable(Table):
    """Exactly one of: a known data set, a folder of images, a CSV or NPZ file, a text, a file of
    sentences with their translations, a task, or the numbers. Of a text `steps`, `tokens` and
    `vocabulary` are as in `data.text`; of pairs `longest`, `limit` and the two as in `data.pairs`;
    of a task `longest` as in `data.task`, and `vocabulary` is how many letters."""

    name: str | None = None
    images: str | None = None
    table: str | None = None
    target: str = "label"
    text: str | None = None
    pairs: str | list[str] | None = None
    task: Literal["copy", "reverse", "sort"] | None = None
    steps: int = STEPS
    longest: int | None = None
    limit: int | None = None
    tokens: str | None = None
    vocabulary: int | None = None
    inputs: list[list[float]] | None = None
    targets: list[list[float]] | None = None

    @property
    def is_text(self) -> bool:
        return self.text is not None or self.name in TEXTS

    @property
    def kind(self) -> Literal["examples", "text", "pairs", "task"]:
        if self.task is not None:
            return "task"
        if self.pairs is not None or self.name in PAIRS:
            return "pairs"
        return "text" if self.is_text else "examples"

    @property
    def most_tokens(self) -> int:
        """Of a sentence, where the data is pairs."""
        if self.longest is not None:
            return self.longest
        return LONGEST_OF_TASKS if self.kind == "task" else LONGEST

    @model_validator(mode="after")
    def _one_source(self) -> DataTable:
        given = [key for key in SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            listed = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
            raise ValueError(f"expected one of {listed}, found {found}")
        if (self.inputs is None) != (self.targets is None):
            raise ValueError("expected inputs and targets together, found one without the other")
        return self

    @model_validator(mode="after")
    def _choices_of_sequences(self) -> DataTable:
        given = [key for key in OF_SEQUENCES if key in self.model_fields_set]
        if wrong := [key for key in given if self.kind not in OF_SEQUENCES[key]]:
            kinds = {"text": "a text", "pairs": "pairs of sentences", "task": "a task"}
            has = sorted({kinds[kind] for key in wrong for kind in OF_SEQUENCES[key]})
            raise ValueError(f"only {' or '.join(has)} has {' and '.join(wrong)}: leave it out")
        try:
            if self.kind == "text":
                check_text(self.steps, self.tokens or "characters", self.vocabulary)
            elif self.kind == "pairs":
                longest = LONGEST if self.longest is None else self.longest
                check_pairs(longest, self.tokens or "words", self.vocabulary, self.limit)
        except InputError as error:
            raise ValueError(str(error)) from None
        return self


OF_TORCH = {"device": "auto", "compile": False, "amp": False}
"""What only engine torch can be told, and what holds where nothing is said."""


class TrainingTable(Table):
    """How long, in what order, what runs it, and what decides the best epoch.

    engine      one of `engines.ENGINES`
    threads     at most this many; None: one per core, where the work is large
    device, compile, amp    see `engines.compile`; for engine torch
    keep_epochs     whether the run keeps the parameters of the start and of every epoch
    carry_state     whether a text is read in as many streams as a batch has rows, each step going
                    on from the state that the step before it ended with; else each window of the
                    text is an example for itself, in a new order at each epoch
    steps_per_epoch     where an epoch ends before it has seen all examples, the first so many of
                    its order
    """

    epochs: Positive
    batch_size: Positive
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    dtype: Literal["float32", "float64"] = "float32"
    engine: Literal["numpy", "native", "torch"] = "numpy"
    threads: Positive | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compile: bool = False
    amp: bool = False
    monitor: Literal["validation", "test"] = "validation"
    patience: Positive | None = None
    keep_epochs: bool = False
    carry_state: bool = False
    steps_per_epoch: Positive | None = None

    @model_validator(mode="after")
    def _whole_epochs_of_streams(self) -> TrainingTable:
        if self.carry_state and self.steps_per_epoch is not None:
            raise ValueError(
                "carry_state reads the whole text on from step to step: leave steps_per_epoch out"
            )
        return self

    @model_validator(mode="after")
    def _options_of_torch(self) -> TrainingTable:
        given = [name for name, usual in OF_TORCH.items() if getattr(self, name) != usual]
        if given and self.engine != "torch":
            raise ValueError(
                f"only engine torch takes {' and '.join(given)}, the engine is {self.engine}; "
                f"choose torch, or leave it out"
            )
        return self


class Published(Table):
    """A published figure, what of the run or runs it is compared with (see `METRICS` in
    `reproduce` and `METRICS_OF_ALL`), and the band that counts as met. Without a figure the source
    only shows a curve, and ours is reported.
    """

    metric: Literal[
        "best_test_accuracy",
        "best_validation_accuracy",
        "best_validation_loss",
        "chosen_test_accuracy",
        "voted_test_accuracy",
        "first_validation_accuracy",
        "final_output",
        "first_layer_gradient",
    ]
    figure: float | None = None
    band: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    source: str

    @model_validator(mode="after")
    def _figure_with_band(self) -> Published:
        if (self.figure is None) != (self.band is None):
            raise ValueError("expected figure and band together, found one without the other")
        return self

    def met_by(self, value: float) -> bool | None:
        """Whether a value lies in the band, ends included; None without a figure."""
        return None if self.band is None else self.band[0] <= value <= self.band[1]


class Recipe(Table):
    """A validated recipe. `name` is the file's name without its ending."""

    name: Annotated[str, Field(exclude=True)]
    title: str
    set: str | None = None
    data: DataTable
    augmentation: parts.AugmentationTable | None = None
    model: ModelTable
    loss: parts.LossName
    optimizer: parts.OptimizerTable
    regularizer: parts.RegularizerTable | None = None
    clipping: parts.ClippingTable | None = None
    schedule: parts.ScheduleTable | None = None
    training: TrainingTable
    published: list[Published] = []

    @model_validator(mode="after")
    def _loss_fits_output(self) -> Recipe:
        output = self.model.output
        if self.loss == "cross_entropy" and output != "softmax":
            raise ValueError(
                'loss "cross_entropy" takes probabilities: set model.output to softmax'
            )
        if self.loss in LOSSES_OF_SCORES and output is not None:
            raise ValueError(f'loss "{self.loss}" takes plain scores: leave model.output out')
        return self

    @model_validator(mode="after")
    def _streams_of_a_text(self) -> Recipe:
        if self.training.carry_state and not self.data.is_text:
            raise ValueError(
                "training.carry_state reads a text on from step to step, the data is none: "
                "leave it out"
            )
        return self

    def with_training(self, **entries: Any) -> Recipe:
        """The recipe with other entries in its table [training]; None leaves an entry as it is.
        With another engine PyTorch's options go."""
        given = {key: value for key, value in entries.items() if value is not None}
        if given.get("engine", "torch") != "torch":
            given = OF_TORCH | given
        return self.model_copy(update={"training": self.training.model_copy(update=given)})

    def with_vocabulary(self, size: int) -> Recipe:
        """The recipe with the number of tokens that it left to its text."""
        sizes = {"vocabulary": size}
        if isinstance(self.model, GPTTable):
            sizes["context"] = self.data.steps
        return self.model_copy(update={"model": self.model.model_copy(update=sizes)})

    def with_languages(self, languages: Languages) -> Recipe:
        """The recipe with what it left to its pairs of sentences."""
        sizes = {
            "source_vocabulary": size(languages.source),
            "target_vocabulary": size(languages.target),
        }
        if isinstance(self.model, TransformerTable):
            sizes["longest"] = self.data.most_tokens + 1
        return self.model_copy(update={"model": self.model.model_copy(update=sizes)})

    def to_toml(self) -> str:
        """The recipe as a file that `read_recipe` reads back to an equal one."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(exclude_none=True, exclude_defaults=True))


def recipe_folder() -> Path:
    """Where the recipes are: inside the installed package, or at the top of the repository."""
    return shipped("recipes")


def all_recipes() -> list[Recipe]:
    """The recipes that come with byhand, by name."""
    return [read_recipe(path) for path in sorted(recipe_folder().glob("*.toml"))]


def find_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """The recipe of this name, or in this file, with changes such as "training.epochs=3".

    Raises      InputError, which names the nearest recipe there is.
    """
    path = Path(name) if name.endswith(".toml") else recipe_folder() / f"{name}.toml"
    if not path.is_file():
        names = [path.stem for path in sorted(recipe_folder().glob("*.toml"))]
        advice = nearest(name, names, "byhand recipes lists those there are")
        kind = "file" if name.endswith(".toml") else "recipe"
        raise InputError(f"no {kind} {name!r}; {advice}")
    return read_recipe(path, changes)


def read_recipe(path: Path, changes: Iterable[str] = (), name: str | None = None) -> Recipe:
    """Read and validate a recipe file.

    Raises      InputError: file, key, what was expected, what was found, the nearest valid name.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from None
    for change in changes:
        _apply(document, change)
    if "name" in document:
        raise InputError(f"{path}: unknown key name; a recipe is named by its file")
    try:
        return Recipe(**{"name": name or path.stem, **document})
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None


def _apply(document: dict[str, Any], change: str) -> None:
    """Set a key of the document from "table.key=value", the value in TOML or as a bare word."""
    key, equals, text = change.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"--set takes key=value, as training.epochs=3; found {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for step in keys[:-1]:
        document = document.setdefault(step, {})
        if not isinstance(document, dict):
            raise InputError(f"--set {change}: {step} is not a table")
    if len(keys) == 2 and keys[0] == "data" and keys[1] in SOURCES:
        for source in (*SOURCES, "targets"):  # other data takes the place of the recipe's
            document.pop(source, None)
    document[keys[-1]] = value


def _explain(error: ValidationError) -> str:
    """One of pydantic's errors in a line of ours, and how many more there are."""
    # A mistyped key is also a missing one: the key as it stands says more.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    # The kind of model chose the table, and a file may be two; neither is a key.
    place = [str(part) for part in first["loc"] if part not in ("str", "list[str]")]
    key = ".".join(part for k, part in enumerate(place) if (k, place[0]) != (1, "model"))
    kind, message = first["type"], first["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(place[:-1])
        advice = nearest(place[-1], known, f"known are {', '.join(known)}")
        text = f"unknown key {key}; {advice}"
    elif kind == "union_tag_invalid":
        found = first["ctx"]["tag"]
        *kinds, last = map(repr, KINDS)
        text = f"{key}.kind: expected {', '.join(kinds)} or {last}, found {found!r}"
    elif kind == "missing":
        text = f"{key} is missing"
    elif kind == "value_error":
        text = f"{key}: " * bool(key) + message.removeprefix("Value error, ")
    else:
        expected = EXPECTED.get(kind) or message.replace("Input should be", "expected")
        if kind in ("too_short", "too_long"):
            end, key_of = ("least", "min") if kind == "too_short" else ("most", "max")
            expected = f"expected at {end} {ENTRIES[first['ctx'][f'{key_of}_length']]}"
        text = f"{key}: {expected}, found {first['input']!r}"
        choices = str(first.get("ctx", {}).get("expected", "")).split("'")
        near = difflib.get_close_matches(str(first["input"]), choices, n=1)
        text += f"; did you mean {near[0]!r}?" if near else ""
    more = error.error_count() - 1
    return text + (f" (and {more} more)" if more else "")


def _known_keys(place: list[str]) -> list[str]:
    """The keys that the table at this place may hold."""
    table: type[Table] = Recipe
    for key in place:
        if (table, key) == (Recipe, "model"):
            table = KINDS[place[1]]
            break
        if key.isdigit():  # a place in a list, of which the table is known already
            continue
        annotation = table.model_fields[key].annotation
        table = next(t for t in (annotation, *getattr(annotation, "__args__", ())) if _is_table(t))
    return [key for key in table.model_fields if (table, key) != (Recipe, "name")]


def _is_table(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, Table)
