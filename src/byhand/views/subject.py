"""What views look at: a run with its data and its trained program, each loaded once, when asked."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Dataset, Vocabulary, prepare
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.storage import read_tensors
from byhand.training import Recipe, Run, trained_program
from byhand.training.run import Row
from byhand.training.session import data_of
from byhand.views.focus import Focus

Array = NDArray[Any]
MEANING = {"p": "probability", "a": "output"}
"""What an output is, by `Subject.symbol`."""


class DoesNotApply(InputError):
    """A run has not got what a view needs."""


def in_our_layers(program: Program) -> Sequential:
    """The network as it is now in NumPy, whatever the engine: our own layers can be taken backwards
    one by one."""
    model = copy.deepcopy(program.description.model)
    model.set_parameters(program.parameters())
    return model


class Subject:
    """A run, and what a view may ask of it. `dataset` is the run's own, where it is at hand;
    `engine` what runs the network, where it is not the engine it was trained on; `focus` what was
    asked for, where a view can choose."""

    def __init__(
        self,
        run: Run,
        dataset: Dataset | None = None,
        engine: str | None = None,
        focus: Focus = Focus(),
    ) -> None:
        self.run = run
        self.focus = focus
        self._dataset = dataset
        self._engine = engine

    @cached_property
    def recipe(self) -> Recipe:
        return self.run.recipe

    @cached_property
    def _rows(self) -> list[Row]:
        return self.run.metrics()

    def rows(self, kind: str) -> list[Row]:
        """The metrics of one kind, "step" or "epoch"."""
        return [row for row in self._rows if row["kind"] == kind]

    def epochs(self) -> list[Row]:
        """The metrics of every finished epoch.

        Raises      DoesNotApply before there is one.
        """
        rows = self.rows("epoch")
        if not rows:
            raise DoesNotApply(
                f"a finished epoch is needed, and run {self.run.name} has none yet "
                f"(byhand resume {self.run.name} goes on)"
            )
        return rows

    @cached_property
    def dataset(self) -> Dataset:
        # First, because a view that does not apply should not fetch data to find out.
        self.epochs()
        return self._dataset or data_of(self.run)

    @cached_property
    def program(self) -> Program:
        """The program with the parameters of the best epoch."""
        return trained_program(self.run, self.dataset, self._engine)

    @property
    def about(self) -> str:
        """The heading's lines about the run as a whole."""
        done, planned = len(self.rows("epoch")), self.recipe.training.epochs
        return f"{self.recipe.title}\nrun {self.run.name}, {done} of {planned} epochs"

    @property
    def about_best(self) -> str:
        """The heading's lines about the parameters of the best epoch."""
        self.epochs()
        epoch = read_tensors(self.run.folder / "best.safetensors")[1]["epoch"]
        monitor = self.recipe.training.monitor
        which = f"epoch {epoch}, the best on the {monitor} set"
        return f"{self.recipe.title}\nrun {self.run.name}, {which}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes.

        Raises      DoesNotApply for regression.
        """
        if not self.dataset.classes:
            what = "is a text" if self.dataset.vocabulary else "has values to predict"
            raise DoesNotApply(f"classes are needed, and {self.dataset.name} {what}")
        return self.dataset.classes

    @property
    def vocabulary(self) -> Vocabulary:
        """What the ids of the text mean.

        Raises      DoesNotApply where the run was trained on something else.
        """
        known = self.dataset.vocabulary if self.recipe.data.is_text else None
        if known is None:
            raise DoesNotApply(f"a text is needed, and run {self.run.name} was trained on none")
        return known

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an input.

        Raises      DoesNotApply where the inputs are not images.
        """
        shape = self.dataset.input_shape
        if len(shape) != 3:
            raise DoesNotApply(
                f"images are needed, and an example of {self.dataset.name} has shape {shape}"
            )
        return shape[0], shape[1], shape[2]

    @property
    def symbol(self) -> str:
        """p where the outputs are probabilities; a where they are activations, as under the
        quadratic cost, which need not sum to 1."""
        return "a" if self.recipe.loss == "quadratic" else "p"

    @cached_property
    def test_outputs(self) -> Array:
        """What the program answers to each test example: [examples, classes]. A single output is
        that of the second of two classes."""
        classes = len(self.classes)
        y = self.program.predict(self.dataset.test.inputs)
        return y if y.shape[1] == classes else np.hstack([1 - y, y])

    @property
    def test_images(self) -> Array:
        """The test examples as images: [examples, channels, height, width]."""
        return self.dataset.test.inputs.reshape(-1, *self.image_shape)

    @property
    def example(self) -> int | None:
        """The test example that was asked for.

        Raises      InputError where there is no such one.
        """
        example, last = self.focus.example, len(self.dataset.test) - 1
        if example is not None and not 0 <= example <= last:
            raise InputError(f"the test set has the examples 0 to {last}; found {example}")
        return example

    def chosen_images(self, most: int) -> tuple[Array, list[str]]:
        """The picture or the test example that was asked for, else the first `most` test examples:
        images[chosen, channels, height, width], and what to call each.

        Raises      InputError where there is no such example or picture; DoesNotApply where the
                    inputs are not images.
        """
        shape, focus, test = self.image_shape, self.focus, self.dataset.test
        if focus.picture is not None:
            return prepare(focus.picture, self.dataset)[0][None], [focus.picture.name]
        chosen = range(min(most, len(test)))
        if (example := self.example) is not None:
            chosen = range(example, example + 1)
        names = [f"test image {k}{self._true_class(k)}" for k in chosen]
        return test.inputs[chosen.start : chosen.stop].reshape(-1, *shape), names

    def _true_class(self, example: int) -> str:
        classes = self.dataset.classes
        return f": {classes[self.dataset.test.targets[example]]}" if classes else ""
