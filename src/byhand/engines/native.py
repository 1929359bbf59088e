"""The model in C++ with Eigen, from native/include/byhand: the same equations, made fast."""

from __future__ import annotations

import copy
import functools
import os
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from byhand.engines import _native
from byhand.engines.growing import GrowingStates
from byhand.engines.native_checks import (
    batches_of_padding,
    check_order,
    check_positions,
    check_rows,
    check_targets,
    checked_ids,
    checked_rates,
    is_padding,
    refuse_growing_streams,
    refuse_what_has_no_twin,
    shortened,
    without_source,
)
from byhand.engines.native_layers import described
from byhand.engines.program import (
    Array,
    Description,
    Evaluation,
    are_answers,
    batch_of,
    check_carried_state,
    check_recurrent_state,
    check_state,
    groups,
    layers_over_steps,
)
from byhand.errors import InputError
from byhand.layers import Embedding, Encoder, OneHot, Shape
from byhand.losses import are_labels

TWINS: dict[str, tuple[str, ...]] = {
    "layer": tuple(_native.layers()),
    "loss": tuple(_native.losses()),
    "optimizer": tuple(_native.optimizers()),
    "regularizer": tuple(_native.regularizers()),
    "clipping": tuple(_native.clippings()),
}
"""What is written in C++, by the names of the Python classes."""
MOST_THREADS = 64
P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(
    method: Callable[Concatenate[NativeProgram, P], R],
) -> Callable[Concatenate[NativeProgram, P], R]:
    """Other threads wait for their turn, without Python's lock, which a long call asks for to see
    to signals. What a signal handler asks for in the middle of a call is answered in its thread."""

    @functools.wraps(method)
    def alone(self: NativeProgram, /, *args: P.args, **options: P.kwargs) -> R:
        with self._turn:
            return method(self, *args, **options)

    return alone


class NativeProgram:
    """A program in C++. Its results do not depend on the number of threads: an element of an array
    is always computed by one thread, in the same order.

    threads     at most so many, where a product is large enough; by default as many as processors

    The C++ object is made when the first examples come, for their shape, and told of another shape
    should examples of one come. It takes ids as numbers, which are exact up to 2²⁴.

    Raises      InputError for a part that has no twin in C++
    """

    def __init__(self, description: Description, threads: int | None = None) -> None:
        model = copy.deepcopy(description.model)
        self.description = replace(description, model=model)
        self.dtype = next(iter(model.parameters.values())).dtype
        self._threads = min(threads or _processors(), MOST_THREADS)
        self._shapes = {name: value.shape for name, value in model.parameters.items()}
        self._trained = frozenset(model.trained)
        self._state = description.optimizer.initial_state(model.trained)
        self._over_steps = layers_over_steps(model)
        self._states: dict[str, Array] = {}
        self._growing = GrowingStates(self.dtype)
        self._takes_ids = isinstance(model.layers[0], Encoder | Embedding | OneHot)
        self._symbols = description.optimizer.state_names
        self._core: Any = None
        self._known: tuple[Shape, bool] | None = None
        self._output: Shape = ()
        self._turn = threading.RLock()
        refuse_what_has_no_twin(description, TWINS)

    @one_at_a_time
    def parameters(self) -> dict[str, Array]:
        if self._core is None:
            return {name: value.copy() for name, value in self.description.model.parameters.items()}
        return self._pull(lambda k: self._core.get(k, -1))

    @one_at_a_time
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        model = self.description.model
        model.set_parameters({name: value.astype(self.dtype) for name, value in values.items()})
        self._push_parameters()

    @one_at_a_time
    def optimizer_state(self) -> dict[str, Array]:
        if self._core is None:
            return {name: value.copy() for name, value in self._state.items()}
        state: dict[str, Array] = {}
        for s, symbol in enumerate(self._symbols):
            values = self._pull(
                lambda k, s=s: self._core.get(k, s),  # type: ignore[misc]
                self._trained,
            )
            state |= {f"{symbol}.{name}": value for name, value in values.items()}
        return {name: state[name] for name in self._state}

    @one_at_a_time
    def set_optimizer_state(self, values: Mapping[str, Array]) -> None:
        check_state(values, self._state)
        self._state = {name: values[name].astype(self.dtype) for name in self._state}
        self._push_state()

    @one_at_a_time
    def recurrent_state(self) -> dict[str, Array]:
        if self._core is None:
            return {name: value.copy() for name, value in self._states.items()}
        batch, values = self._core.recurrent_state()
        layers = self._over_steps.items() if batch else ()
        return {
            name: value.reshape(layer.state_shape(batch))
            for (name, layer), value in zip(layers, values, strict=True)
        }

    @one_at_a_time
    def set_recurrent_state(self, values: Mapping[str, Array]) -> None:
        check_carried_state(values, self.description)
        self._states = {name: value.astype(self.dtype) for name, value in values.items()}
        self._push_recurrent_state()

    @one_at_a_time
    def train(
        self,
        inputs: Array,
        targets: Array,
        order: NDArray[np.int64],
        batch_size: int,
        first_step: int,
        learning_rates: Sequence[float],
    ) -> NDArray[np.float64]:
        if not len(learning_rates):
            return np.empty(0)
        rates = checked_rates(learning_rates)
        if batch_size < 0:
            raise InputError(f"batch_size is at least 1, found {batch_size}")
        core = self._core_for(inputs)
        # C++ reads and writes where these point, and another thread may change those of the caller.
        order = np.array(order)
        targets = targets.copy() if are_labels(targets) else targets
        check_order(order, min(len(inputs), len(targets)))
        last_batch = order[(len(learning_rates) - 1) * batch_size :][:batch_size]
        self._check_targets(targets[last_batch], len(last_batch))
        self._check_statistics(len(last_batch))
        self._check_carried(min(batch_size, len(order)), len(last_batch))
        if are_labels(targets):
            self._check_targets(targets[order], len(order))
            for batch in batches_of_padding(targets, order, batch_size):
                self._check_targets(batch, len(batch))
        x, t = self._converted(inputs, targets)
        losses: NDArray[np.float64] = core.train(
            x,
            t,
            np.ascontiguousarray(order, np.int64),
            min(batch_size, len(order)),
            first_step,
            rates,
        )
        return losses

    @one_at_a_time
    def gradients(
        self, inputs: Array, targets: Array, step: int | None = None
    ) -> tuple[float, dict[str, Array]]:
        core = self._core_for(inputs)
        self._check_targets(targets, len(inputs))
        self._check_carried(len(inputs))
        if step is not None:
            self._check_statistics(len(inputs))
        x, t = self._converted(inputs, targets)
        objective: float = core.gradients(x, t, step)
        found = self._pull(core.gradient, self._trained)
        # From the last layer to the first, as the chain rule goes.
        layers = reversed(self.description.model.layers)
        names = [f"{layer.name}.{symbol}" for layer in layers for symbol in layer.parameter_names]
        return objective, {name: found[name] for name in names if name in found}

    @one_at_a_time
    def evaluate(self, inputs: Array, targets: Array, streams: int | None = None) -> Evaluation:
        if streams is not None:
            next(groups(inputs, streams, streams))  # refuses what makes no whole groups
            refuse_growing_streams(self._over_steps)
        core = self._core_for(inputs)
        if not is_padding(targets):  # whose mean is over no example
            self._check_targets(targets, len(inputs))
        x, t = self._converted(inputs, targets)
        loss, right = core.evaluate(x, t, streams or 0)
        return Evaluation(loss, right / len(x) if are_answers(targets) else None)

    def predict(self, inputs: Array) -> Array:
        with self._turn:  # not decorated: one digit is answered in less time than two calls take
            core = self._core_for(inputs)
            y = np.empty((len(inputs), *self._output), self.dtype)
            core.predict(self._numbers(inputs), y)
            return y

    def predict_from(
        self, inputs: Array, states: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        with self._turn:  # nor is this: one character is
            core = self._core_for(inputs)
            if states:
                check_recurrent_state(states, self.description.model)
                self._check_states(states, len(inputs))
                check_positions(states, self._over_steps, self._read(inputs))
                inputs = without_source(states, self._over_steps, inputs)
            y = np.empty((len(inputs), *self._output), self.dtype)
            after, (before, into, past, room) = self._growing.begin(
                self._over_steps, states, *self._read(inputs).shape[:2]
            )
            core.predict_from(self._numbers(inputs), before, y, into, past, room)
            return y, after

    @one_at_a_time
    def activations(self, inputs: Array) -> dict[str, Array]:
        core = self._core_for(inputs)
        shape, outputs = inputs.shape[1:], {}
        layers = self.description.model.layers
        values = core.activations(self._numbers(inputs))
        for layer, y in zip(layers, values, strict=True):
            shape = layer.output_shape(shape)
            outputs[str(layer.name)] = y.reshape(-1, *shape)
        return outputs

    def _check_targets(self, targets: Array, examples: int) -> None:
        check_targets(self.description.loss, targets, (examples, *self._output), self.dtype)

    def _check_statistics(self, examples: int) -> None:
        """Refuse a training batch in which some feature has a single value and so no variance, as
        the layer itself does, which is asked about made-up inputs."""
        model = self.description.model
        if examples == 1 and any(layer.statistics for layer in model.layers):
            with np.errstate(all="ignore"):
                model.forward(self._made_up(1), masks={})

    def _check_carried(self, *batches: int) -> None:
        """Refuse batches of another size than the states that they start from."""
        if self.description.carry_state:
            states = self.recurrent_state()
            for batch in batches:
                self._check_states(states, batch)
                states = self._zero_states(batch)

    def _check_states(self, states: Mapping[str, Array], batch: int) -> None:
        """Refuse states of another batch, or for a layer that takes none, as the layer does."""
        layers = [(self._over_steps[name], state) for name, state in states.items()]
        if any(batch_of(s, of) != batch or not getattr(of, "causal", True) for of, s in layers):
            with np.errstate(all="ignore"):
                self.description.model.forward(self._made_up(batch), states=states)

    def _made_up(self, batch: int) -> Array:
        """Inputs of the shape that the C++ object was last told of."""
        example, _ = self._known or ((), False)
        return np.zeros((batch, *example), np.int64 if self._takes_ids else self.dtype)

    def _read(self, inputs: Array) -> Array:
        """What the layers over steps read: of pairs the target."""
        return inputs[:, 1] if isinstance(self.description.model.layers[0], Encoder) else inputs

    def _numbers(self, inputs: Array) -> Array:
        """Inputs as C++ takes them; where they are ids it reads the rows that they name."""
        if self._takes_ids:
            inputs = checked_ids(self.description.model, inputs)
        return np.ascontiguousarray(inputs, self.dtype)

    def _converted(
        self, inputs: Array, targets: Array
    ) -> tuple[Array, tuple[NDArray[np.int64] | None, Array | None]]:
        """Inputs, and targets as labels or values, as C++ takes them."""
        x = self._numbers(inputs)
        if are_labels(targets):
            return x, (np.ascontiguousarray(targets, np.int64), None)
        return x, (None, np.ascontiguousarray(targets, self.dtype))

    def _core_for(self, inputs: Array) -> Any:
        kind = inputs.shape[1:], self._takes_ids and are_labels(inputs)
        if kind != self._known:
            self._prepare(*kind)
        return self._core

    def _prepare(self, example: Shape, ids: bool) -> None:
        """Make the C++ object for examples of this shape, or tell it of them.

        Raises      ShapeError, DTypeError where the model does not take them, in its own words;
                    InputError where C++ has no rows for them
        """
        with np.errstate(all="ignore"):
            made_up = np.zeros((1, *shortened(example, self.description.model)), self.dtype)
            self.description.model.forward(made_up.astype(np.int64) if ids else made_up)
        self._output = self.description.model.output_shape(example)
        check_rows(self.description.model, example)
        if self._core is None:
            self._make_core(example)
        else:
            self._core.reshape(example)
        self._known = example, ids

    def _make_core(self, example: Shape) -> None:
        d = self.description
        kind = _native.Program32 if self.dtype == np.float32 else _native.Program64
        regularizer, clipping = d.regularizer, d.clipping
        self._core = kind(
            layers=described(d.model),
            example=example,
            loss=type(d.loss).__name__,
            optimizer=(type(d.optimizer).__name__, asdict(d.optimizer)),
            regularizer=(
                (type(regularizer).__name__, regularizer.strength / d.examples)
                if regularizer
                else ("", 0.0)
            ),
            clipping=(type(clipping).__name__, clipping.limit) if clipping else ("", 0.0),
            seed=d.seed,
            threads=self._threads,
            carry_state=d.carry_state,
        )
        self._push_parameters()
        self._push_state()
        self._push_recurrent_state()

    def _push_parameters(self) -> None:
        if self._core is None:
            return
        parameters = self.description.model.parameters
        for k, name in enumerate(self._shapes):
            self._core.set(k, -1, np.ascontiguousarray(parameters[name]))

    def _push_state(self) -> None:
        if self._core is None:
            return
        for k, name in enumerate(self._shapes):
            for s, symbol in enumerate(self._symbols if name in self._trained else ()):
                self._core.set(k, s, np.ascontiguousarray(self._state[f"{symbol}.{name}"]))

    def _push_recurrent_state(self) -> None:
        if self._core is None or not self.description.carry_state:
            return
        batch = next((value.shape[-2] for value in self._states.values()), 0)
        states = self._zero_states(batch) | self._states
        self._core.set_recurrent_state([*map(np.ascontiguousarray, states.values())], batch)

    def _zero_states(self, batch: int) -> dict[str, Array]:
        """Of a program that carries its state, which only recurrent layers have."""
        shapes = {name: layer.state_shape(batch) for name, layer in self._over_steps.items()}
        return {name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}

    def _pull(
        self, get: Callable[[int], Array], names: Container[str] | None = None
    ) -> dict[str, Array]:
        """An array for each parameter, or for these of them, by its name and in its shape."""
        return {
            name: get(k).reshape(shape)
            for k, (name, shape) in enumerate(self._shapes.items())
            if names is None or name in names
        }


def _processors() -> int:
    """Those that this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
