"""Programs that the tests of the native engine compile, and what they compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand import engines
from byhand.engines import Program
from byhand.initializers import StandardNormal
from byhand.layers import Sequential
from byhand.losses import (
    Loss,
    SoftmaxCrossEntropy,
)
from byhand.models import mlp
from byhand.optimizers import SGD, Optimizer

Array = np.typing.NDArray[Any]
EXAMPLES = 23
ORDER = np.random.default_rng(7).permutation(EXAMPLES)
BOTH = ("numpy", "native")


def data(dtype: Any = np.float64) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((EXAMPLES, 2, 3)).astype(dtype), rng.integers(0, 3, EXAMPLES)


def program(
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    *,
    engine: str = "native",
    sizes: tuple[int, ...] = (6, 5, 3),
    activation: str = "tanh",
    output: str | None = None,
    dropout: float = 0.0,
    dtype: Any = np.float64,
    **options: Any,
) -> Program:
    model = mlp(
        sizes, activation=activation, output=output, dropout=dropout, biases=StandardNormal()
    )
    return engines.compile(
        model.initialize(1, dtype),
        loss or SoftmaxCrossEntropy(),
        optimizer or SGD(0.1),
        engine=engine,
        examples=EXAMPLES,
        **options,
    )


def of(model: Sequential, *, engine: str = "native", loss: Loss | None = None) -> Program:
    return engines.compile(model, loss or SoftmaxCrossEntropy(), SGD(0.1), engine=engine)


def go_on(p: Program, x: Array, t: Array, first: int = 0, steps: int = 5) -> list[float]:
    """The losses of some more steps."""
    rates = [p.description.optimizer.learning_rate] * steps
    return p.train(x, t, np.resize(ORDER, 5 * steps), 5, first, rates).tolist()


def everything(p: Program) -> dict[str, Array]:
    return p.parameters() | p.optimizer_state()


def assert_same(a: dict[str, Array], b: dict[str, Array]) -> None:
    """To the last bit."""
    assert list(a) == list(b)
    for name, value in a.items():
        assert value.dtype == b[name].dtype
        np.testing.assert_array_equal(value, b[name], err_msg=name)


X, T = data()
