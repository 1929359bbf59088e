"""The model as it is written in `layers/`, run by NumPy."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from byhand.engines.program import (
    Array,
    Description,
    Evaluation,
    answers,
    are_answers,
    check_carried_state,
    check_recurrent_state,
    check_state,
    groups,
    own,
    without_padding,
)
from byhand.engines.work import multiply_adds
from byhand.errors import ShapeError
from byhand.layers import Shape
from byhand.losses import are_labels, count

EVALUATION_BATCH = 2500
EVALUATION_STEPS = 40_000
SHARED_WORK = 10_000_000
"""Multiply-adds of a matrix product from which on a second thread is worth waking."""
# An overflow shows as a number that is not finite, which is reported; NumPy need not warn.
_quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")


def at_once(inputs: Array) -> int:
    """How many examples go through a model at once in evaluation: of sequences as many as have so
    many steps together."""
    if are_labels(inputs) and inputs.ndim > 1:
        return max(1, EVALUATION_STEPS // max(1, int(inputs.shape[-1])))
    return EVALUATION_BATCH


class NumPyProgram:
    """The reference: forward, loss, backward, update, one after the other.

    threads     of NumPy's matrix products where they are large; by default NumPy's own choice
    """

    def __init__(self, description: Description, threads: int | None = None) -> None:
        model = copy.deepcopy(description.model)
        self.description = replace(description, model=model)
        self._model = model
        self._state = description.optimizer.initial_state(model.trained)
        self._states: dict[str, Array] = {}
        self._weights = model.weight_names
        self._places = [(f"{a.name}.{s}", a, s) for a in model.layers for s in a.parameter_names]
        self._largest: dict[Shape, int] = {}
        self._blas = ThreadpoolController()
        self._most_threads = threads
        self.dtype = next(iter(model.parameters.values())).dtype

    def parameters(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._model.parameters.items()}

    def set_parameters(self, values: Mapping[str, Array]) -> None:
        self._model.set_parameters({n: v.astype(self.dtype) for n, v in values.items()})

    def optimizer_state(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._state.items()}

    def set_optimizer_state(self, values: Mapping[str, Array]) -> None:
        check_state(values, self._state)
        self._state = {name: values[name].astype(self.dtype) for name in self._state}

    def recurrent_state(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._states.items()}

    def set_recurrent_state(self, values: Mapping[str, Array]) -> None:
        check_carried_state(values, self.description)
        self._states = {name: value.astype(self.dtype) for name, value in values.items()}

    @_quiet
    def train(
        self,
        inputs: Array,
        targets: Array,
        order: NDArray[np.int64],
        batch_size: int,
        first_step: int,
        learning_rates: Sequence[float],
    ) -> NDArray[np.float64]:
        d = self.description
        losses = np.empty(len(learning_rates))
        with self._threads(batch_size, inputs.shape[1:]):
            # A NumPy float64 would turn float32 parameters into float64.
            for k, rate in enumerate(map(float, learning_rates)):
                batch = order[k * batch_size : (k + 1) * batch_size]
                step = first_step + k
                loss, gradients, caches = self._backpropagate(inputs[batch], targets[batch], step)
                losses[k] = loss
                if not math.isfinite(loss):
                    return losses[: k + 1]
                if d.clipping is not None:
                    gradients = d.clipping.clip(gradients)
                new, self._state = d.optimizer.step(
                    self._model.trained, gradients, self._state, rate, step + 1, self._weights
                )
                new |= self._model.updated_statistics(caches)
                for name, layer, symbol in self._places:
                    setattr(layer, symbol, new[name])
                if d.carry_state:
                    self._states = self._model.final_states(caches)
        return losses

    @_quiet
    def gradients(
        self, inputs: Array, targets: Array, step: int | None = None
    ) -> tuple[float, dict[str, Array]]:
        with self._threads(len(inputs), inputs.shape[1:]):
            loss, gradients, _ = self._backpropagate(inputs, targets, step)
        return loss + self._penalty(), gradients

    @_quiet
    def evaluate(self, inputs: Array, targets: Array, streams: int | None = None) -> Evaluation:
        d, loss, asked, right = self.description, 0.0, 0, 0
        by_label = are_answers(targets)
        states: dict[str, Array] = {}
        for part in groups(inputs, streams, at_once(inputs)):
            x, labels = without_padding(self._own(inputs[part]), targets[part])
            y, caches = self._model.forward(x, states=states)
            if streams is not None:
                states = self._model.final_states(caches)
            n = count(y, labels)
            if len(y) and not n:
                continue  # a group of padding
            value, _ = d.loss.forward(y, self._encode(labels, y))
            loss, asked = loss + value * n, asked + n
            if by_label:
                right += int(np.count_nonzero(answers(y, d) == labels))
        return Evaluation(
            loss / asked if asked else math.nan, right / len(inputs) if by_label else None
        )

    @_quiet
    def predict(self, inputs: Array) -> Array:
        # In parts, for all windows of a large set of images at once would fill the memory.
        parts = groups(inputs, None, at_once(inputs))
        outputs = [self._model.forward(self._own(inputs[part]))[0] for part in parts]
        return self.description.loss.probabilities(np.concatenate(outputs))

    @_quiet
    def predict_from(
        self, inputs: Array, states: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        check_recurrent_state(states, self._model)
        given = {name: value.astype(self.dtype) for name, value in states.items()}
        y, caches = self._model.forward(self._own(inputs), states=given)
        return self.description.loss.probabilities(y), self._model.final_states(caches)

    @_quiet
    def activations(self, inputs: Array) -> dict[str, Array]:
        with self._threads(len(inputs), inputs.shape[1:]):
            outputs = self._model.activations(self._own(inputs))
            # What an encoder hands on are ids.
            return {name: y.astype(self.dtype, copy=False) for name, y in outputs.items()}

    def _threads(self, examples: int, shape: Shape) -> AbstractContextManager[object]:
        """One thread for products too small to share, where two would mostly wait for each other.

        It is decided by sizes alone, so that a resumed run adds up in the same order.
        """
        if shape not in self._largest:
            # What does not fit is refused on the way forward, by what is there and not by shapes.
            with suppress(ShapeError):
                self._largest[shape] = max(multiply_adds(self._model, shape), default=0)
        small = examples * self._largest.get(shape, 0) < SHARED_WORK
        limit: AbstractContextManager[object] = self._blas.limit(
            limits=1 if small else self._most_threads
        )
        return limit

    def _own(self, inputs: Array) -> Array:
        return own(inputs, self.dtype)

    def _backpropagate(
        self, x: Array, targets: Array, step: int | None
    ) -> tuple[float, dict[str, Array], list[Any]]:
        d = self.description
        x, targets = without_padding(self._own(x), targets)
        masks = None
        if step is not None:
            masks = self._model.draw_masks(len(x), x.shape[1:], d.seed, step, self.dtype)
        y, caches = self._model.forward(x, masks, self._states)
        loss, cache = d.loss.forward(y, self._encode(targets, y))
        _, gradients = self._model.backward(d.loss.backward(cache), caches)
        if d.regularizer is not None:
            parameters = self._model.parameters
            for name in self._weights:
                w = parameters[name]
                gradients[name] = gradients[name] + d.regularizer.gradient(w, d.examples)
        return loss, gradients, caches

    def _penalty(self) -> float:
        d = self.description
        if d.regularizer is None:
            return 0.0
        # In the model's order: that of a set of names changes from one process to the next.
        weights = (w for name, w in self._model.parameters.items() if name in self._weights)
        return sum(d.regularizer.penalty(w, d.examples) for w in weights)

    def _encode(self, targets: Array, y: Array) -> Array:
        return self.description.loss.encode(targets, y.shape[-1], self.dtype)
