"""The judge of the engines: it lets roundings pass, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.clipping import ClipByGlobalNorm
from byhand.engines import Description, Program, parity
from byhand.engines.parity import Row, bound, compare, relative_error, worst
from byhand.layers import Dense, ReLU, Residual, Sequential
from byhand.losses import QuadraticCost, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, Momentum, Optimizer
from byhand.regularizers import L2

from .agreement import OTHERS
from .two_sequences import MODELS, pairs

EXAMPLES = 23
STEPS = 12


def rows(
    dtype: str = "float64",
    optimizer: Optimizer | None = None,
    steps: int = STEPS,
    batch_size: int = 5,
    names: list[str] = OTHERS,
    **model: Any,
) -> list[Row]:
    """A small network on random examples."""
    rng = np.random.default_rng(0)
    network = mlp([6, 5, 3], **{"activation": "tanh", "dropout": 0.3, **model})
    description = Description(
        network.initialize(1, dtype),
        SoftmaxCrossEntropy(),
        optimizer or Momentum(0.1),
        L2(0.5),
        ClipByGlobalNorm(5.0),
        EXAMPLES,
        seed=4,
    )
    inputs = rng.standard_normal((EXAMPLES, 2, 3)).astype(np.float32)
    labels = rng.integers(0, 3, EXAMPLES)
    return compare(description, inputs, labels, batch_size, [0.1] * steps, names)


class Doctored:
    """The native engine but for one method, whose answer is changed."""

    def __init__(self, program: Program, method: str, change: Callable[[Any], Any]) -> None:
        self._program, self._method, self._change = program, method, change

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._program, name)
        if name != self._method:
            return found
        return lambda *arguments: self._change(found(*arguments))


def doctor(monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any]) -> None:
    real = engines.compile

    def compiled(*arguments: Any, **options: Any) -> Any:
        program = real(*arguments, **options)
        return Doctored(program, method, change) if options["engine"] == "native" else program

    monkeypatch.setattr(engines, "compile", compiled)


def wrong(found: list[Row]) -> set[tuple[str, str]]:
    return {(row.quantity, row.array) for row in found if not row.agrees}


@pytest.mark.parametrize("dtype", parity.DTYPES)
@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), Adam(0.01)], ids=str)
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_the_engines_agree(dtype: str, optimizer: Optimizer, batch_size: int) -> None:
    found = rows(dtype, optimizer, batch_size=batch_size)
    assert wrong(found) == set()
    assert {(row.engine, row.dtype) for row in found} == {(engine, dtype) for engine in OTHERS}
    arrays = ["hidden1.W", "hidden1.b", "output.W", "output.b"]
    state = {
        f"state {symbol} after {steps}": [f"{symbol}.{name}" for name in arrays]
        for symbol in optimizer.state_names
        for steps in ("a step", "12 steps")
    }
    expected = {
        "loss of a step": ["with the regularizer", "alone"],
        "gradients of a step": arrays,
        "predictions for its batch": [""],
        "parameters after a step": arrays,
        "losses of 12 steps": [""],
        "parameters after 12 steps": arrays,
        "predictions after 12 steps": [""],
        **state,
    }
    for quantity, names in expected.items():
        listed = [row.array for row in found if row.quantity == quantity]
        assert sorted(listed) == sorted(len(OTHERS) * names), quantity
    assert {row.quantity for row in found} == set(expected)


def test_only_the_first_steps_are_compared_each_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    doctor(monkeypatch, "train", lambda losses: asked.append(len(losses)) or losses)
    assert wrong(rows(steps=parity.ALONE + 3, batch_size=100)) == set()
    assert asked == [1] * parity.ALONE + [1] * (parity.ALONE + 3)  # an epoch is one step here
    asked.clear()
    rows(steps=9, batch_size=2)
    assert asked == [1] * 9 + [9]


def test_one_step_is_not_compared_twice() -> None:
    assert {row.quantity for row in rows(steps=1)} == {
        "loss of a step",
        "gradients of a step",
        "predictions for its batch",
        "parameters after a step",
        "state v after a step",
    }


@pytest.mark.parametrize("dtype", parity.DTYPES)
@pytest.mark.parametrize("kind", ["transformer", "additive"])
def test_the_engines_agree_on_a_translation(kind: str, dtype: str) -> None:
    names = [name for name in OTHERS if not engines.available(name)]
    ids, targets = pairs()
    description = Description(
        MODELS[kind](dtype, 0.2), SoftmaxCrossEntropy(), Adam(0.01), examples=len(ids), seed=4
    )
    found = compare(description, ids, targets, 5, [0.01] * 4, names)
    assert wrong(found) == set()
    gradients = {row.array for row in found if row.quantity == "gradients of a step"}
    assert gradients == set(description.model.parameters)
    assert any("4 steps" in row.quantity for row in found)


def test_a_kink_inside_of_a_block_is_found() -> None:
    model = Sequential(Residual(Residual(Dense(6, 6), ReLU())), Dense(6, 3)).initialize(
        0, "float32"
    )
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((9, 6)).astype(np.float32), rng.integers(3, size=9)
    description = Description(model, SoftmaxCrossEntropy(), SGD(0.1))
    found = compare(description, x, t, 3, [0.1] * 3, ["torch"])
    assert not any("3 steps" in row.quantity for row in found)


def test_with_relu_float32_is_compared_by_the_step_only() -> None:
    steps = {row.quantity for row in rows("float32", activation="relu", steps=3)}
    assert not any("3 steps" in quantity for quantity in steps)
    assert any("3 steps" in row.quantity for row in rows(activation="relu", steps=3))


def nudged(factor: float) -> Callable[[Any], Any]:
    def nudge(answer: tuple[float, dict[str, Any]]) -> Any:
        loss, gradients = answer
        return loss, {**gradients, "hidden1.W": gradients["hidden1.W"] * (1 + factor)}

    return nudge


def test_a_gradient_that_is_off_by_a_hundred_millionth_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    doctor(monkeypatch, "gradients", nudged(1e-8))
    found = rows()
    assert wrong(found) == {("gradients of a step", "hidden1.W")}
    [row] = [row for row in found if not row.agrees]
    assert row.error == pytest.approx(1e-8, rel=1e-3)
    assert row.bound == 1e-10


def test_in_float32_a_thousandth_of_a_percent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor(monkeypatch, "gradients", nudged(2e-5))
    assert wrong(rows("float32")) == {("gradients of a step", "hidden1.W")}


def shift(name: str) -> Callable[[Any], Any]:
    return lambda found: {**found, name: found[name] + 1e-8}


SMALL: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "losses of 12 steps": ("train", lambda losses: losses * (1 + 1e-8)),
    "predictions for its batch": ("predict", lambda y: y + 1e-8),
    "parameters after 12 steps": ("parameters", shift("output.b")),
    "state v after 12 steps": ("optimizer_state", shift("v.output.b")),
}
GROSS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "losses of 12 steps": ("train", lambda losses: losses[:-1]),
    "loss of a step": ("train", lambda losses: losses * np.nan),
    "parameters after 12 steps": ("parameters", lambda found: {}),
}


@pytest.mark.parametrize("quantity", SMALL)
def test_a_hundred_millionth_is_found_in_float64(
    quantity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor(monkeypatch, *SMALL[quantity])
    assert quantity in {name for name, _ in wrong(rows())}


@pytest.mark.parametrize("quantity", GROSS)
@pytest.mark.parametrize("dtype", parity.DTYPES)
def test_what_is_missing_or_no_number_is_found(
    quantity: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor(monkeypatch, *GROSS[quantity])
    assert quantity in {name for name, _ in wrong(rows(dtype))}


def test_steps_in_a_row_are_taken_by_each_engine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that goes wrong only from its second step on is caught too."""

    class Forgetful(Doctored):
        def train(self, inputs: Any, targets: Any, order: Any, size: int, step: int, rates: Any):  # type: ignore[no-untyped-def]
            losses = self._program.train(inputs, targets, order, size, step, rates)
            if len(rates) > 1:
                state = self._program.optimizer_state()
                self._program.set_optimizer_state({n: 0 * v for n, v in state.items()})
            return losses

    real = engines.compile

    def compiled(*arguments: Any, **options: Any) -> Any:
        program = real(*arguments, **options)
        if options["engine"] == "numpy":
            return program
        return Forgetful(program, "", lambda answer: answer)

    monkeypatch.setattr(engines, "compile", compiled)
    found = {name for name, _ in wrong(rows())}
    assert "parameters after 12 steps" in found
    assert not any("a step" in name for name in found)


def test_a_run_that_fails_is_no_agreement() -> None:
    rng = np.random.default_rng(0)
    description = Description(mlp([6, 3]).initialize(1, "float32"), QuadraticCost(), SGD(1e30))
    inputs, targets = (rng.standard_normal((9, n)).astype(np.float32) for n in (6, 3))
    found = compare(description, inputs, targets, 3, [1e30] * 9, OTHERS)
    assert ("losses of 9 steps", "") in wrong(found)


# The measure


def test_float64_is_measured_by_its_largest_element() -> None:
    b = np.array([[1.0, -4.0], [2.0, 0.0]])
    a = np.array([[1.0, -4.0], [2.0, 0.02]])
    assert relative_error(a, b) == pytest.approx(0.005)
    assert relative_error(b.copy(), b) == 0


def test_float32_is_measured_by_the_root_of_the_sum_of_squares() -> None:
    b = np.array([3.0, 4.0], np.float32)
    assert relative_error(np.array([3.0, 4.5], np.float32), b) == pytest.approx(0.1)
    large = np.full(2, 3e38, np.float32)
    assert relative_error(large, large / 2) == pytest.approx(1)


def test_an_array_that_cancelled_is_measured_by_others_of_its_kind() -> None:
    b = np.array([1e-9])
    assert relative_error(2 * b, b) == pytest.approx(1)
    assert relative_error(2 * b, b, least=1e-3) == pytest.approx(1e-6)
    assert relative_error(2 * b, b, least=1e-12) == pytest.approx(1)
    assert relative_error(b, 0 * b, least=1e-3) == pytest.approx(1e-6)


@pytest.mark.parametrize("dtype", parity.DTYPES)
def test_sums_that_cancel_are_no_disagreement(dtype: str) -> None:
    """Data symmetric about 0 and an odd network: the gradients of all biases are 0 but for
    roundings, which differ."""
    rng = np.random.default_rng(0)
    half, targets = rng.standard_normal((10, 6)), rng.standard_normal((10, 3))
    inputs, values = np.concatenate([half, -half]), np.concatenate([targets, -targets])
    model = mlp([6, 5, 3], activation="tanh").initialize(0, dtype)
    description = Description(model, QuadraticCost(), Momentum(0.1))
    found = compare(description, inputs, values.astype(dtype), 20, [0.1] * 20, OTHERS)
    assert wrong(found) == set()
    biases = [r for r in found if r.array.endswith("output.b") and "a step" in r.quantity]
    assert len(biases) == 3 * len(OTHERS)


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([0.0, 1e-300], [0.0, 0.0], math.inf),
        ([1.0], [1.0, 1.0], math.inf),
        (None, [1.0, 1.0], math.inf),
        ([math.nan, 1.0], [1.0, 1.0], math.nan),
        ([1.0, 1.0], [1.0, math.nan], math.nan),
        ([math.nan, 1.0], [math.nan, 1.0], math.nan),
        ([math.inf, 1.0], [math.inf, 1.0], math.nan),
        ([math.inf, 1.0], [1.0, 1.0], math.inf),
    ],
)
def test_what_is_no_number_or_not_there(a: Any, b: Any, error: float) -> None:
    found = relative_error(None if a is None else np.array(a), np.array(b))
    assert found == pytest.approx(error, nan_ok=True)
    row = Row("native", "float64", "losses", "", found, 1e-10)
    assert row.agrees == (error == 0)


def test_bounds() -> None:
    double, single = np.dtype(np.float64), np.dtype(np.float32)
    assert [bound(double, steps) for steps in (1, 1000)] == [1e-10, 1e-10]
    assert [bound(single, steps) for steps in (1, 10, 100, 1000)] == pytest.approx(
        [1e-5, 1e-4, 1e-3, 1e-3]
    )


def test_the_worst_of_a_kind_stands_for_it() -> None:
    def row(quantity: str, array: str, error: float) -> Row:
        return Row("native", "float64", quantity, array, error, 1e-10)

    middle, large, lost = row("p", "b", 2.0), row("p", "c", 3.0), row("q", "b", math.nan)
    found = worst([row("p", "a", 1.0), large, middle, row("q", "a", 9.0), lost, row("q", "c", 9.0)])
    assert found == [large, lost]
