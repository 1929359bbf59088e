"""The model in C++ with Eigen, from native/include/byhand: the same equations, made fast."""

from __future__ import annotations

import copy
import functools
import os
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from byhand import clipping, layers, losses, optimizers, regularizers
from byhand.engines import _native
from byhand.engines.program import Array, Description, Evaluation, check_state
from byhand.errors import InputError, ShapeError
from byhand.layers import Shape
from byhand.losses import are_labels

TWINS: dict[str, tuple[str, ...]] = {
    "layer": tuple(_native.layers()),
    "loss": tuple(_native.losses()),
    "optimizer": tuple(_native.optimizers()),
    "regularizer": tuple(_native.regularizers()),
    "clipping": tuple(_native.clippings()),
}
"""What is written in C++ too, by the names of the Python classes."""
_ROOMS: dict[str, ModuleType] = {
    "layer": layers,
    "loss": losses,
    "optimizer": optimizers,
    "regularizer": regularizers,
    "clipping": clipping,
}
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

    The C++ object is made when the first examples come, for their shape, and made again with the
    same parameters should examples of another shape come.

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
        self._symbols = description.optimizer.state_names
        self._core: Any = None
        self._example: Shape | None = None
        self._output: Shape = ()
        self._turn = threading.RLock()
        _refuse_what_has_no_twin(description)

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
        rates = _checked_rates(learning_rates)
        if batch_size < 0:
            raise InputError(f"batch_size is at least 1, found {batch_size}")
        core = self._core_for(inputs)
        # C++ reads and writes where these point, and another thread may change those of the caller.
        order = np.array(order)
        targets = targets.copy() if are_labels(targets) else targets
        _check_order(order, min(len(inputs), len(targets)))
        last_batch = order[(len(learning_rates) - 1) * batch_size :][:batch_size]
        self._check_targets(targets[last_batch], len(last_batch))
        self._check_statistics(len(last_batch))
        if are_labels(targets):
            chosen = targets[order]
            self._check_targets(np.array([chosen.min(), chosen.max()]), 2)
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
    def evaluate(self, inputs: Array, targets: Array) -> Evaluation:
        core = self._core_for(inputs)
        self._check_targets(targets, len(inputs))
        x, t = self._converted(inputs, targets)
        loss, right = core.evaluate(x, t)
        return Evaluation(loss, right / len(x) if are_labels(targets) else None)

    def predict(self, inputs: Array) -> Array:
        with self._turn:  # not decorated: one digit is answered in less time than two calls take
            core = self._core_for(inputs)
            y = np.empty((len(inputs), *self._output), self.dtype)
            core.predict(np.ascontiguousarray(inputs, self.dtype), y)
            return y

    @one_at_a_time
    def activations(self, inputs: Array) -> dict[str, Array]:
        core = self._core_for(inputs)
        shape, outputs = inputs.shape[1:], {}
        layers = self.description.model.layers
        values = core.activations(np.ascontiguousarray(inputs, self.dtype))
        for layer, y in zip(layers, values, strict=True):
            shape = layer.output_shape(shape)
            outputs[str(layer.name)] = y.reshape(-1, *shape)
        return outputs

    def _check_targets(self, targets: Array, examples: int) -> None:
        """Refuse targets as the loss itself does, which is asked about made-up outputs."""
        d = self.description
        y = np.zeros((examples, *self._output), self.dtype)
        with np.errstate(all="ignore"):
            d.loss.forward(y, d.loss.encode(targets, y.shape[-1], self.dtype))

    def _check_statistics(self, examples: int) -> None:
        """Refuse a training batch in which some feature has a single value and so no variance, as
        the layer itself does, which is asked about made-up inputs."""
        model = self.description.model
        if examples == 1 and any(layer.statistics for layer in model.layers):
            with np.errstate(all="ignore"):
                model.forward(np.zeros((1, *(self._example or ())), self.dtype), masks={})

    def _converted(
        self, inputs: Array, targets: Array
    ) -> tuple[Array, tuple[NDArray[np.int64] | None, Array | None]]:
        """Inputs, and targets as labels or values, as C++ takes them."""
        x = np.ascontiguousarray(inputs, self.dtype)
        if are_labels(targets):
            return x, (np.ascontiguousarray(targets, np.int64), None)
        return x, (None, np.ascontiguousarray(targets, self.dtype))

    def _core_for(self, inputs: Array) -> Any:
        if inputs.shape[1:] != self._example:
            self._make_core(inputs.shape[1:])
        return self._core

    def _make_core(self, example: Shape) -> None:
        """Make the C++ object for examples of this shape.

        Raises      ShapeError, DTypeError where the model does not take them, in its own words
        """
        d = self.description
        with np.errstate(all="ignore"):
            y, _ = d.model.forward(np.zeros((1, *example), self.dtype))
        self._output = y.shape[1:]
        if self._core is not None:
            self._state = self.optimizer_state()
            d.model.set_parameters(self.parameters())
        kind = _native.Program32 if self.dtype == np.float32 else _native.Program64
        regularizer, clipping = d.regularizer, d.clipping
        self._core = kind(
            layers=[
                (type(layer).__name__, {**layer.sizes, **layer.settings, "place": place})
                for place, layer in enumerate(d.model.layers)
            ],
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
        )
        self._example = example
        self._push_parameters()
        self._push_state()

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

    def _pull(
        self, get: Callable[[int], Array], names: Container[str] | None = None
    ) -> dict[str, Array]:
        """An array for each parameter, or for these of them, by its name and in its shape."""
        return {
            name: get(k).reshape(shape)
            for k, (name, shape) in enumerate(self._shapes.items())
            if names is None or name in names
        }


def _check_order(order: NDArray[np.int64], examples: int) -> None:
    """C++ reads where the order points, so it has to point at examples."""
    if len(order) and not 0 <= order.min() <= order.max() < examples:
        wrong = int(order.min()) if order.min() < 0 else int(order.max())
        raise InputError(f"the order names example {wrong}, there are 0 to {examples - 1}")


def _checked_rates(learning_rates: Sequence[float]) -> NDArray[np.float64]:
    shape = np.shape(learning_rates)
    if len(shape) != 1:
        raise ShapeError(f"learning rates have shape {shape}, expected one number for each step")
    return np.array([float(rate) for rate in learning_rates])


def _processors() -> int:
    """Those that this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _refuse_what_has_no_twin(description: Description) -> None:
    used = [
        *(("layer", layer) for layer in description.model.layers),
        ("loss", description.loss),
        ("optimizer", description.optimizer),
        ("regularizer", description.regularizer),
        ("clipping", description.clipping),
    ]
    for what, part in used:
        kind = type(part).__name__
        # Somebody's own class of the same name is another part.
        twin = kind in TWINS[what] and getattr(_ROOMS[what], kind) is type(part)
        if part is not None and not twin:
            raise InputError(
                f"the {what} {kind} has no twin in C++, which has {', '.join(TWINS[what])}; "
                f"use engine numpy"
            )
