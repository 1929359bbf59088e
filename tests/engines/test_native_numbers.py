"""Numbers that are none or too large, on the native engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.clipping import ClipByGlobalNorm
from byhand.engines import Program
from byhand.layers import Dense, Layer, Sequential, Softmax
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
)
from byhand.optimizers import SGD, Momentum

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

from .native_programs import BOTH, assert_same, data, everything, go_on, of, program

BAD = [np.nan, np.inf, -np.inf]
HEADS = [
    (QuadraticCost(), "sigmoid"),
    (QuadraticCost(), "tanh"),
    (QuadraticCost(), None),
    (CrossEntropy(), "softmax"),
    (SoftmaxCrossEntropy(), None),
    (BinaryCrossEntropyWithLogits(), None),
]


def outcome(
    bad: float, where: str, loss: Loss, output: str | None, **options: Any
) -> tuple[list[float], list[Any]]:
    """The losses that a program finds where one number is bad, and how many steps it takes."""
    x, t = data(options["dtype"])
    p = program(loss, output=output, **options)
    if where == "inputs":
        x[4, 1, 2] = bad
    elif where == "targets":
        t = np.eye(3)[t]
        t[4, 1] = bad
    else:
        w = p.parameters()
        w[where].flat[1] = bad
        p.set_parameters(w)
    seen = p.evaluate(x, t)
    objective, _ = p.gradients(x, t)
    losses = go_on(p, x, t)
    found = [seen.loss, objective, losses[-1]]
    if where == "targets":
        # inf - inf or inf, depending on the order of the sum
        found = [number if np.isfinite(number) else np.nan for number in found]
    return found, [len(losses), seen.accuracy]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("where", ["inputs", "targets", "hidden1.W", "output.b"])
@pytest.mark.parametrize("bad", BAD)
def test_one_bad_number(bad: float, where: str, activation: str, dtype: Any) -> None:
    """Both engines stop at the same step and at the same kind of number, or neither does."""
    for loss, output in HEADS:
        (expected, counted), (found, counts) = (
            outcome(bad, where, loss, output, engine=e, activation=activation, dtype=dtype)
            for e in BOTH
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=str(loss))
        assert counts == counted, loss


def scores(*z: float, dtype: Any = np.float64) -> Callable[[Loss, str], Program]:
    """A model whose outputs are these, for an example of 1."""

    def build(loss: Loss, engine: str) -> Program:
        rows: list[Layer] = [Dense(1, len(z), name="z")]
        if isinstance(loss, CrossEntropy):
            rows.append(Softmax())
        p = of(Sequential(*rows).initialize(0, dtype), engine=engine, loss=loss)
        p.set_parameters({"z.W": np.array([z]), "z.b": np.zeros(len(z))})
        return p

    return build


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "z",
    [
        (1e3, -1e3),
        (1e4, 0),
        (-1e30, 1e30),
        (-np.inf, 0),
        (np.inf, 0),
        (np.nan, 0),
        (0, np.nan),
        (2e38, -2e38),
        (40, -40),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), CrossEntropy(), BinaryCrossEntropyWithLogits()], ids=str
)
def test_scores_far_apart(loss: Loss, z: tuple[float, ...], dtype: Any) -> None:
    """Where p underflows, ln p is -inf, and only where it counts."""
    x = np.ones((1, 1), dtype)
    for t in (np.array([0]), np.array([1]), np.array([[0.25, 0.75]], dtype)):
        numpy, native = (scores(*z, dtype=dtype)(loss, engine) for engine in BOTH)
        a, b = numpy.evaluate(x, t), native.evaluate(x, t)
        assert b.loss == pytest.approx(a.loss, rel=1e-6, nan_ok=True)
        assert b.accuracy == a.accuracy
        np.testing.assert_allclose(native.predict(x), numpy.predict(x), rtol=1e-6, atol=1e-38)


@pytest.mark.parametrize(
    "z",
    [
        (1, 2, 2),
        (2, 2, 1),
        (1, np.nan, 2),
        (np.nan, 1, np.nan),
        (1, np.inf, np.nan),
        (np.nan,) * 3,
        (-np.inf,) * 3,
        (np.inf, np.inf, 1),
    ],
    ids=str,
)
def test_the_answer_where_scores_are_equal_or_no_numbers(z: tuple[float, ...]) -> None:
    """The first of the largest, and the first that is not a number before all others."""
    x = np.ones((1, 1))
    numpy, native = (scores(*z)(SoftmaxCrossEntropy(), engine) for engine in BOTH)
    for k in range(3):
        found = native.evaluate(x, np.array([k])).accuracy
        assert found == numpy.evaluate(x, np.array([k])).accuracy == float(k == np.argmax(z))


@pytest.mark.parametrize("size", [1e18, 1e19, 3e19, 1e30])
def test_a_loss_too_large_for_float32(size: float) -> None:
    """The square of an error overflows long before the error does."""
    x, t = np.full((1, 1), size), np.zeros((1, 2))
    numpy, native = (
        scores(1, -1, dtype=np.float32)(QuadraticCost(), engine).evaluate(x, t).loss
        for engine in BOTH
    )
    assert native == pytest.approx(numpy, rel=1e-6)


@pytest.mark.parametrize("engine", BOTH)
def test_a_norm_too_large_for_float32_is_clipped(engine: str) -> None:
    p = engines.compile(
        Sequential(Dense(1, 1)).initialize(0, np.float32),
        QuadraticCost(),
        SGD(1.0),
        clipping=ClipByGlobalNorm(1.0),
        engine=engine,
    )
    p.set_parameters({"dense1.W": np.ones((1, 1)), "dense1.b": np.zeros(1)})
    p.train(np.full((1, 1), 1e10), np.full((1, 1), -1e11), np.arange(1), 1, 0, [1.0])
    assert p.parameters()["dense1.W"].item() == pytest.approx(0, abs=1e-6)


def test_nothing_is_left_of_numbers_that_are_none() -> None:
    """Not even in the padding of an array, where a product could meet them again."""
    x, t = data()
    for bad in BAD:
        p, fresh = (program(optimizer=Momentum(0.1), dropout=0.2) for _ in range(2))
        spoilt = np.full_like(x, bad)
        p.evaluate(spoilt, t)
        p.gradients(spoilt, t, 3)
        p.predict(spoilt)
        assert len(go_on(p, spoilt, t)) == 1
        assert go_on(p, x, t) == go_on(fresh, x, t)
        assert_same(everything(p), everything(fresh))
