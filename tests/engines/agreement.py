"""How an engine is held against NumPy: what is trained on both, and how far they may be apart.

Each engine is set beside NumPy, by max|a - b| / max|b| of two arrays. All evaluate the same
equations on the same numbers with the same dropout masks; they differ in the order in which a sum
is added up, in multiplying and adding with one rounding or two, and in the last bits of exp and
tanh.

float64     1e-10, as promised
float32     A number is off by up to half of eps = 2^-23 each time it is rounded, up as often as
            down, so the n roundings of a sum come to about eps sqrt(n), not to eps n. A step takes
            over what the step before was off by and adds its own; k steps come to eps sqrt(n k).
            The bound is MARGIN of these, n being the longest sum of the model.

That holds as long as training does not magnify a difference. Where a rule does, such as Adam, which
turns even the sign of a gradient of 1e-9 into a whole step, learning rates are small here: what is
compared is arithmetic, not chaos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.clipping import Clipping
from byhand.engines import Program
from byhand.initializers import StandardNormal
from byhand.layers import Sequential
from byhand.losses import Loss, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Optimizer
from byhand.randomness import batch_order
from byhand.regularizers import Regularizer

Array = np.typing.NDArray[Any]


def named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


MARGIN = 8
EXAMPLES = 40
STEPS = 100

OTHERS = [name for name in engines.ENGINES if name != "numpy"]
FUSED, DESCENT = SoftmaxCrossEntropy(), SGD(0.1)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=named)


@cache
def epoch_order(epoch: int, examples: int) -> Array:
    return batch_order(3, epoch, examples)


@dataclass(frozen=True)
class Case:
    """A model, and all that it takes to train it with one engine or another."""

    model: Sequential
    x: Array
    t: Array
    loss: Loss = FUSED
    optimizer: Optimizer = DESCENT
    regularizer: Regularizer | None = None
    clipping: Clipping | None = None
    batch: int = 17

    def program(self, engine: str, threads: int | None = None) -> Program:
        return engines.compile(
            self.model,
            self.loss,
            self.optimizer,
            regularizer=self.regularizer,
            clipping=self.clipping,
            examples=len(self.x),
            seed=5,
            engine=engine,
            threads=threads,
        )

    def bound(self, steps: int = 1) -> float:
        """How far the engines may be apart after so many steps."""
        w = self.model.parameters
        if next(iter(w.values())).dtype == np.float64:
            return 1e-10
        longest = max(len(self.x), *chain.from_iterable(a.shape for a in w.values()))
        return MARGIN * float(np.finfo(np.float32).eps) * math.sqrt(longest * steps)

    def train(self, program: Program, steps: int = STEPS) -> Array:
        """The loss of each step, epoch by epoch in the order of the epoch."""
        found: list[float] = []
        for epoch in range(steps):
            order = epoch_order(epoch, len(self.x))
            count = min(math.ceil(len(order) / self.batch), steps - len(found))
            rates = [self.optimizer.learning_rate] * count
            found += program.train(self.x, self.t, order, self.batch, len(found), rates).tolist()
        return np.array(found)

    def observe(self, program: Program) -> dict[str, Array]:
        """All that a program tells of a model, by name."""
        seen = {}
        for step in (None, 7):
            objective, gradients = program.gradients(self.x, self.t, step)
            seen[f"the objective of step {step}"] = np.array(objective)
            seen |= {f"d{name} of step {step}": dw for name, dw in gradients.items()}
        seen |= {f"the output of {name}": y for name, y in program.activations(self.x).items()}
        return seen | self.outcome(program)

    def outcome(self, program: Program) -> dict[str, Array]:
        """What training leaves behind."""
        return {
            "the predictions": program.predict(self.x),
            "the mean loss": np.array(program.evaluate(self.x, self.t).loss),
            **program.parameters(),
            **program.optimizer_state(),
        }


def apart(found: Array, expected: Array) -> float:
    """max|a - b| / max|b|; infinite where shapes or dtypes differ, or a number is not finite."""
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return math.inf
    difference = float(np.abs(found - expected).max(initial=0))
    if difference == 0:
        return 0.0
    largest = float(np.abs(expected).max())
    return difference / largest if largest and math.isfinite(difference) else math.inf


def assert_close(found: dict[str, Array], expected: dict[str, Array], bound: float) -> None:
    assert found.keys() == expected.keys()
    for name, a in found.items():
        off = apart(a, expected[name])
        assert off <= bound, f"{name} is {off:.1e} apart, at most {bound:.1e}"


def assert_agreement(
    case: Case, engine: str, steps: int = STEPS, threads: int | None = None
) -> None:
    """Of loss, gradients, activations and predictions, then after so many steps of parameters."""
    numpy, other = case.program("numpy"), case.program(engine, threads)
    assert_close(case.observe(other), case.observe(numpy), case.bound())
    before = numpy.parameters()
    expected = case.train(numpy, steps)
    assert len(expected) == steps
    losses = {"the losses": case.train(other, steps)}
    assert_close(losses, {"the losses": expected}, case.bound(steps))
    assert_close(case.outcome(other), case.outcome(numpy), case.bound(steps))
    moved = max(apart(w, before[name]) for name, w in numpy.parameters().items())
    assert moved > 10 * case.bound(steps), "too little was trained for a difference to show"


def normal(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def labels(classes: int, count: int = EXAMPLES) -> Array:
    return np.random.default_rng(1).integers(0, classes, count)


def network(sizes: tuple[int, ...], dtype: Any, **options: Any) -> Sequential:
    """An mlp in which no parameter is zero."""
    chosen = {"activation": "tanh", "biases": StandardNormal(), **options}
    return mlp(sizes, **chosen).initialize(2, dtype)
