"""How long a training step takes on each device, and what of it is overhead.

A step is timed for several batch sizes and widths, and the times of each device are explained by

    seconds = overhead + per_multiply_add · multiply-adds + per_parameter · parameters

overhead            what a step costs however small it is: calls in Python, launches of kernels,
                    waiting for them
per_multiply_add    the arithmetic of the products: its inverse is the rate that a device reaches
per_parameter       what is done once for each parameter whatever the batch: its gradient is added
                    up and its new value written, at the pace of memory

A GPU has the smaller slopes and the larger overhead, so it wins from some batch size on. None of
the three can be negative; the squares of the relative errors are least.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand import engines
from byhand.engines import Program
from byhand.engines.work import multiply_adds
from byhand.errors import InputError
from byhand.training.model_tables import MLPTable
from byhand.training.recipe import Recipe
from byhand.training.session import compile_recipe, load_data

Array = NDArray[np.float64]
Tell = Callable[[str], None]

BATCHES = (1, 8, 64, 512)
FACTORS = (1, 4, 16, 64)
"""Hidden units and channels, as many times the recipe's."""
MOST_WORK = 300_000_000
"""Multiply-adds of the largest step that is timed: a second for NumPy's convolutions."""
ROUNDS = 5
SECONDS = 0.1
"""For how long a round goes on at least."""
TERMS = ("overhead", "per_multiply_add", "per_parameter")


@dataclass(frozen=True)
class Size:
    """A training step: how large, and how many multiply-adds and parameters that makes."""

    batch: int
    factor: int
    work: int
    parameters: int


@dataclass(frozen=True)
class Timings:
    """What was measured: `seconds` has the time of a step for each device and size."""

    title: str
    sizes: tuple[Size, ...]
    seconds: dict[str, Array]


@dataclass(frozen=True)
class Fit:
    """A device's three terms, in seconds, and by what share of a time they miss it, at the
    median."""

    overhead: float
    per_multiply_add: float
    per_parameter: float
    error: float

    def seconds(self, work: float, parameters: float) -> float:
        return self.overhead + self.per_multiply_add * work + self.per_parameter * parameters


def fit(sizes: Sequence[Size], seconds: Array) -> Fit:
    """The terms, each at least 0, with the least sum of squared relative errors."""
    columns = np.array([[1.0, size.work, size.parameters] for size in sizes])
    # Divided by the time, so that a microsecond is missed as seriously as its share of it is large.
    weighted = columns / seconds[:, None]
    scale = weighted.max(axis=0)
    best, least = np.zeros(3), math.inf
    for count in (1, 2, 3):
        for chosen in map(list, combinations(range(3), count)):
            terms = np.zeros(3)
            found = np.linalg.lstsq(weighted[:, chosen] / scale[chosen], np.ones(len(sizes)))[0]
            terms[chosen] = found / scale[chosen]
            squares = float(np.square(weighted @ terms - 1).sum())
            if (terms >= 0).all() and squares < least:
                best, least = terms, squares
    error = float(np.median(np.abs(weighted @ best - 1)))
    overhead, per_multiply_add, per_parameter = best.tolist()
    return Fit(overhead, per_multiply_add, per_parameter, error)


def begins_to_win(fast: Fit, slow: Fit, work_of_one: float, parameters: float) -> float:
    """The batch size from which on `fast` takes less time than `slow`: 1 where it does so at any,
    inf where larger batches bring it no nearer."""
    behind = fast.seconds(0, parameters) - slow.seconds(0, parameters)
    gain = (slow.per_multiply_add - fast.per_multiply_add) * work_of_one
    return max(1.0, behind / gain) if gain > 0 else math.inf


def gpus(names: Iterable[str]) -> list[str]:
    """Those of the devices that are GPUs."""
    return [name for name in names if name.endswith(("cuda", "mps"))]


def frontier(timings: Timings, fits: dict[str, Fit], gpu: str) -> dict[int, float]:
    """For each width the batch size from which on a GPU is faster than all that runs on the CPU."""
    cpus = [name for name in fits if name not in gpus(fits)]
    one_of = {size.factor: (size.work / size.batch, size.parameters) for size in timings.sizes}
    return {
        factor: max(begins_to_win(fits[gpu], fits[cpu], *one) for cpu in cpus)
        for factor, one in one_of.items()
    }


def time_devices(recipe: Recipe, threads: int | None = None, tell: Tell = print) -> Timings:
    """Time the recipe's training step on NumPy, native, and PyTorch on each of its devices.

    The devices take turns at each size, so that all meet the same machine; the median of some
    rounds counts. Parameters stay as they are: the learning rate is 0.
    Raises      InputError where PyTorch is not installed, before any data is loaded
    """
    if reason := engines.available("torch"):
        raise InputError(reason)
    dataset = load_data(recipe.data)
    recipe = recipe.with_training(threads=threads, carry_state=False)
    train = dataset.train
    sizes: list[Size] = []
    seconds: dict[str, list[float]] = {name: [] for name in runners()}
    for factor in FACTORS:
        if sizes and _most_work(sizes[-1], factor) > MOST_WORK:
            break
        wide = recipe.model_copy(update={"model": widened(recipe.model, factor)})
        programs = {
            name: compile_recipe(wide.with_training(**options), dataset)
            for name, options in runners().items()
        }
        model = programs["numpy"].description.model
        for batch in BATCHES:
            size = size_of(model, dataset.input_shape, batch, factor)
            if size.work > MOST_WORK:
                continue
            tell(f"batch {batch}, width × {factor}")
            sizes.append(size)
            order = np.resize(np.arange(len(train), dtype=np.int64), batch)
            x, t = train.inputs[order], train.targets[order]
            for name, value in time_in_turn(programs, x, t).items():
                seconds[name].append(value)
    return Timings(recipe.title, tuple(sizes), {n: np.array(s) for n, s in seconds.items()})


def _most_work(size: Size, factor: int) -> float:
    """Multiply-adds for one example at another width, at most: most layers are as wide at both of
    their ends, and grow as the square."""
    return size.work / size.batch * (factor / size.factor) ** 2


def runners() -> dict[str, dict[str, Any]]:
    """What is timed, by name, and the entries of [training] that choose it."""
    from byhand.engines.torch.device import present

    found: dict[str, dict[str, Any]] = {"numpy": {"engine": "numpy"}}
    if engines.available("native") is None:
        found["native"] = {"engine": "native"}
    for device in reversed(present()):
        found[f"torch {device}"] = {"engine": "torch", "device": device, "dtype": "float32"}
    return found


def widened(table: Any, factor: int) -> Any:
    """The model with so many times the hidden units and channels."""
    if isinstance(table, MLPTable):
        first, *hidden, last = table.sizes
        return table.model_copy(update={"sizes": [first, *(factor * n for n in hidden), last]})
    more = {key: getattr(table, key, []) for key in ("channels", "hidden")}
    return table.model_copy(update={k: [factor * n for n in v] for k, v in more.items() if v})


def size_of(model: Any, input_shape: tuple[int, ...], batch: int, factor: int) -> Size:
    """Forward and back: each product three times, but the first layer's twice, as nobody asks for
    the gradient of the data."""
    counts = multiply_adds(model, input_shape)
    work = batch * (3 * sum(counts) - counts[0])
    return Size(batch, factor, work, sum(value.size for value in model.parameters.values()))


def time_in_turn(programs: dict[str, Program], x: Any, t: Any) -> dict[str, float]:
    """The seconds of a step on this batch."""
    order = np.arange(len(x), dtype=np.int64)
    counts = {name: _steps(program, x, t, order) for name, program in programs.items()}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            times[name].append(_time(program, x, t, order, counts[name]))
    return {name: statistics.median(found) for name, found in times.items()}


def _steps(program: Program, x: Any, t: Any, order: NDArray[np.int64]) -> int:
    """How many steps fill a round, after one to warm up."""
    _time(program, x, t, order, 1)
    return max(1, math.ceil(SECONDS / _time(program, x, t, order, 1)))


def _time(program: Program, x: Any, t: Any, order: NDArray[np.int64], steps: int) -> float:
    began = time.perf_counter()
    program.train(x, t, np.tile(order, steps), len(x), 0, [0.0] * steps)
    return (time.perf_counter() - began) / steps
