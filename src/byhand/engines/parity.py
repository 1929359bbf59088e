"""Whether the engines agree: they run one description on the same examples, and every array that
comes of it is set beside NumPy's.

    error = ‖a − b‖ / ‖b‖       of an array a beside NumPy's b

a step      Each of the first 25 steps is begun by both with NumPy's parameters and state, so that
            the errors of one step alone are seen: in its loss, every gradient, the predictions for
            its batch, and in the parameters and state after it.
n steps     Both begin with the same parameters, and errors add up.

Two engines add up the same terms in different orders, so they differ by roundings of u = 2⁻⁵³ of a
number in float64 and of u = 2⁻²⁴ in float32. Over a sum of n terms these come to about √n u.

float64     1e-10, for one step as for many. The worst counts: ‖a‖ is the largest element, and of
            the errors of those 25 steps the largest is taken.
float32     1e-5 for a step: the gradients of a network with two hidden layers come of five products
            in a row, whose sums have up to 784 terms: 5 √784 u = 8e-6. That is typical, not the
            worst, so ‖a‖ is the root of the sum of squares, and the median of the steps is taken: a
            gradient whose terms cancel loses its digits, and Adam then makes a step of it as large
            as any; and a ReLU whose input is closer to 0 than a rounding lets a gradient pass in
            one engine and not in the other.
            n · 1e-5 for n steps, since each starts where the last one ended and adds its own; never
            more than 1e-3, beyond which nobody would call two runs the same. With ReLU n steps are
            not compared: after such an input the two runs go apart for good, and both are right.
            Nor with max pooling, where two pixels can be that close.

Training that is itself unstable, as with far too large a learning rate, magnifies roundings step by
step until no two engines agree on n steps in a row; then a step by itself still tells.

Source      Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), sections 2.8 and
            4.2: n u bounds the error of a sum, √n u is the rule of thumb.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand import engines
from byhand.engines.program import Array, Description, Program, own
from byhand.layers import MaxPool2D, ReLU, Sequential
from byhand.randomness import batch_order

REFERENCE = "numpy"
DTYPES = ("float64", "float32")
CANCELLED = {"float64": 1e-5, "float32": 1e-2}
"""An array smaller than this share of the largest of its kind is what a sum has left whose terms
cancel, as the gradient of a bias in symmetric data: its digits are roundings of the larger ones, so
it is measured as if it had this size."""
ALONE = 25
"""Steps that are compared each by itself, of those there are."""
PREDICTED = 1000
"""Examples whose predictions are compared after n steps."""
Arrays = Mapping[str, Mapping[str, Array]]
"""Arrays by what they are, such as "gradients of a step", and by name, such as "hidden1.W"."""
Tell = Callable[[str], None]
Order = Callable[[int], NDArray[np.int64]]
"""The order of examples in an epoch."""
Errors = dict[tuple[str, str], list[float]]
"""The errors of an array, by what it is and by name: one for each step that was compared."""


@dataclass(frozen=True)
class Row:
    """One array of one engine beside NumPy's; `array` is "" where there is one of its kind only."""

    engine: str
    dtype: str
    quantity: str
    array: str
    error: float
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the error is within the bound; nan never is."""
        return self.error <= self.bound


@dataclass(frozen=True)
class _Task:
    """What the engines are given: one training step per learning rate."""

    description: Description
    inputs: Array
    targets: Array
    batch_size: int
    learning_rates: Sequence[float]
    order: Order

    def program(self, engine: str) -> Program:
        d = self.description
        return engines.compile(
            d.model,
            d.loss,
            d.optimizer,
            regularizer=d.regularizer,
            clipping=d.clipping,
            examples=d.examples,
            seed=d.seed,
            engine=engine,
            carry_state=d.carry_state,
        )

    def epochs(self) -> Iterator[tuple[int, NDArray[np.int64], Sequence[float]]]:
        """For as many epochs as it takes: the first step, the order of examples, the rates."""
        rates = self.learning_rates
        first = epoch = 0
        while first < len(rates):
            order = self.order(epoch)
            some = rates[first : first + math.ceil(len(order) / self.batch_size)]
            yield first, order[: len(some) * self.batch_size], some
            first, epoch = first + len(some), epoch + 1


def compare(
    description: Description,
    inputs: Array,
    targets: Array,
    batch_size: int,
    learning_rates: Sequence[float],
    names: Sequence[str],
    tell: Tell = lambda text: None,
    order: Order | None = None,
) -> list[Row]:
    """The engines of these names beside NumPy, in the model's dtype: each step by itself, and all
    in a row; one step per learning rate. `tell` hears what is being done; `order` is that of the
    examples in each epoch, by default a new one drawn from the seed."""
    dtype, n = next(iter(description.model.parameters.values())).dtype, len(learning_rates)
    inputs = own(inputs, dtype)
    drawn = partial(batch_order, description.seed, examples=len(inputs))
    task = _Task(description, inputs, targets, batch_size, learning_rates, order or drawn)
    alone = replace(task, learning_rates=learning_rates[:ALONE])
    kinks = _has_kinks(description.model)
    rows = []
    for engine in names:
        pair = f"{engine} and {REFERENCE} in {dtype}"
        rows += _rows(engine, dtype, _each_step(alone, engine, pair, tell), 1)
        if n > 1 and (dtype == np.float64 or not kinks):
            tell(f"{pair}: {n} steps in a row")
            rows += _rows(engine, dtype, _all_steps(task, engine), n)
    return rows


def _has_kinks(model: Sequential) -> bool:
    """Whether there is a layer, inside of blocks as well, whose derivative jumps."""
    return any(
        _has_kinks(layer) if isinstance(layer, Sequential) else isinstance(layer, ReLU | MaxPool2D)
        for layer in model.layers
    )


def worst(rows: Sequence[Row]) -> list[Row]:
    """Of each engine, dtype and quantity the array with the largest error; nan is the largest."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = row.engine, row.dtype, row.quantity
        if key not in found or _rank(row) > _rank(found[key]):
            found[key] = row
    return list(found.values())


def bound(dtype: np.dtype[Any], steps: int) -> float:
    """The largest error that counts as agreement after so many steps; see above."""
    return 1e-10 if dtype == np.float64 else min(steps * 1e-5, 1e-3)


def relative_error(a: Array | None, b: Array, least: float = 0.0) -> float:
    """‖a − b‖ / ‖b‖, where ‖b‖ counts as `least` where it is less: by the largest element in
    float64, as losses always are, and by the root of the sum of squares in float32.

    It is nan where an array holds one, and inf where a is missing, has another shape, or is not 0
    where b is.
    """
    if a is None or a.shape != b.shape:
        return math.inf
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        distance = _size(np.subtract(a, b, dtype=np.float64), b.dtype)
    size = max(_size(b, b.dtype), least)
    if not distance:
        return 0.0
    return distance / size if size else math.inf


def _size(a: Array, dtype: np.dtype[Any]) -> float:
    order = np.inf if dtype == np.float64 else 2
    return float(np.linalg.norm(a.astype(np.float64).ravel(), order))


def _rank(row: Row) -> float:
    return math.inf if math.isnan(row.error) else row.error


def _rows(engine: str, dtype: np.dtype[Any], found: Errors, steps: int) -> list[Row]:
    count = np.max if dtype == np.float64 else np.median
    limit = bound(dtype, steps)
    return [
        Row(engine, str(dtype), quantity, array, float(count(errors)), limit)
        for (quantity, array), errors in found.items()
    ]


def _each_step(task: _Task, engine: str, pair: str, tell: Tell) -> Errors:
    """The errors of every step, each begun with NumPy's parameters and state."""
    numpy, other = task.program(REFERENCE), task.program(engine)
    errors: Errors = {}
    for first, order, rates in task.epochs():
        numpy.set_recurrent_state({})
        for k, rate in enumerate(rates):
            tell(f"{pair}: step {first + k + 1} of {len(task.learning_rates)} by itself")
            batch = order[k * task.batch_size : (k + 1) * task.batch_size]
            other.set_parameters(numpy.parameters())
            other.set_optimizer_state(numpy.optimizer_state())
            other.set_recurrent_state(numpy.recurrent_state())
            theirs = _step(numpy, task, batch, first + k, rate)
            _note(errors, _step(other, task, batch, first + k, rate), theirs)
    return errors


def _step(
    program: Program, task: _Task, batch: NDArray[np.int64], step: int, rate: float
) -> Arrays:
    """All that can be asked about one step, which is taken at the end."""
    x, t = task.inputs[batch], task.targets[batch]
    objective, gradients = program.gradients(x, t, step)
    predictions = program.predict(x)
    losses = program.train(task.inputs, task.targets, batch, len(batch), step, [rate])
    return {
        "loss of a step": {"alone": losses, "with the regularizer": np.array([objective])},
        "gradients of a step": gradients,
        "predictions for its batch": {"": predictions},
        "parameters after a step": program.parameters(),
        **_state(program, "a step"),
    }


def _all_steps(task: _Task, engine: str) -> Errors:
    """The errors of all steps in a row, and of what stands after them."""
    errors: Errors = {}
    _note(errors, _run(task, engine), _run(task, REFERENCE))
    return errors


def _run(task: _Task, engine: str) -> Arrays:
    program = task.program(engine)
    losses = []
    for first, order, rates in task.epochs():
        program.set_recurrent_state({})
        losses.append(
            program.train(task.inputs, task.targets, order, task.batch_size, first, rates)
        )
    steps = f"{len(task.learning_rates)} steps"
    return {
        f"losses of {steps}": {"": np.concatenate(losses)},
        f"parameters after {steps}": program.parameters(),
        **_state(program, steps),
        f"predictions after {steps}": {"": program.predict(task.inputs[:PREDICTED])},
    }


def _state(program: Program, steps: str) -> Arrays:
    """What the next step goes on from beside the parameters: the recurrent layers' states, and the
    optimizer's, each of its symbols a kind of its own, for m and s differ in size."""
    state = program.optimizer_state()
    found: dict[str, Mapping[str, Array]] = {
        f"state {symbol} after {steps}": {
            name: value for name, value in state.items() if name.startswith(f"{symbol}.")
        }
        for symbol in program.description.optimizer.state_names
    }
    if program.description.carry_state:
        found[f"states after {steps}"] = program.recurrent_state()
    return found


def _note(errors: Errors, ours: Arrays, theirs: Arrays) -> None:
    for quantity, arrays in theirs.items():
        largest = max((_size(b, b.dtype) for b in arrays.values()), default=0.0)
        for name, b in arrays.items():
            least = CANCELLED[str(b.dtype)] * largest
            error = relative_error(ours[quantity].get(name), b, least)
            errors.setdefault((quantity, name), []).append(error)
