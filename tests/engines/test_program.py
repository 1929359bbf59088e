"""What engines/program.py promises, of every engine."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from byhand import engines, optimizers
from byhand.clipping import ClipByGlobalNorm, ClipByValue
from byhand.engines import Program
from byhand.engines.numpy import EVALUATION_BATCH
from byhand.errors import InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.initializers import StandardNormal
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
)
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, Momentum, Optimizer
from byhand.regularizers import L1, L2, Regularizer

OPTIMIZERS = [
    value
    for value in vars(optimizers).values()
    if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
]
EXAMPLES = 23
engine = "numpy"


@pytest.fixture(params=engines.ENGINES, autouse=True)
def every_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """All that is promised of a program holds for the program of each engine."""
    global engine  # noqa: PLW0603  # what `program` below builds
    engine = request.param
    yield
    engine = "numpy"


def data(seed: int = 0, classes: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((EXAMPLES, 2, 3)), rng.integers(0, classes, EXAMPLES)


def program(
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    *,
    output: str | None = None,
    dropout: float = 0.0,
    dtype: Any = np.float64,
    sizes: tuple[int, ...] = (6, 5, 4, 3),
    **options: Any,
) -> Program:
    """A small network that takes the data above, ready to run."""
    model = mlp(
        sizes,
        activation="tanh",
        output=output,
        dropout=dropout,
        weights=StandardNormal(),
        biases=StandardNormal(),
    )
    model.initialize(1, dtype)
    return engines.compile(
        model,
        loss or SoftmaxCrossEntropy(),
        optimizer or SGD(0.1),
        examples=EXAMPLES,
        engine=engine,
        **options,
    )


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    """To the last bit."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert value.dtype == b[name].dtype
        np.testing.assert_array_equal(value, b[name], err_msg=name)


# Gradients


@pytest.mark.parametrize("regularizer", [None, L2(3.0), L1(2.0)], ids=str)
@pytest.mark.parametrize("step", [None, 0, 5])
def test_the_objective_and_its_gradients_agree_with_central_differences(
    regularizer: Regularizer | None, step: int | None
) -> None:
    """With the penalty, and with the very dropout masks of the step, over all parameters."""
    x, t = data()
    p = program(dropout=0.4, regularizer=regularizer, seed=9)
    parameters = p.parameters()
    _, gradients = p.gradients(x, t, step)
    assert gradients.keys() == parameters.keys()

    def objective() -> float:
        p.set_parameters(parameters)
        return p.gradients(x, t, step)[0]

    for name, w in parameters.items():
        assert relative_error(gradients[name], numerical_gradient(objective, w)) < 1e-7, name


def test_every_step_has_masks_of_its_own_and_evaluation_has_none() -> None:
    x, t = data()
    p = program(dropout=0.4, seed=9)
    losses = {step: p.gradients(x, t, step)[0] for step in (None, 0, 1, 2)}
    assert len(set(losses.values())) == 4
    assert losses[None] == p.evaluate(x, t).loss
    assert losses[1] == p.gradients(x, t, 1)[0]
    assert losses[1] != program(dropout=0.4, seed=8).gradients(x, t, 1)[0]


def test_gradients_are_those_before_clipping_and_change_nothing() -> None:
    x, t = data()
    p = program(Momentum(0.1), clipping=ClipByGlobalNorm(1e-3))
    before, state = p.parameters(), p.optimizer_state()
    loss, gradients = p.gradients(x, t, 0)
    assert_equal(gradients, program(Momentum(0.1)).gradients(x, t, 0)[1])
    assert loss == p.gradients(x, t, 0)[0]
    assert_equal(p.parameters(), before)
    assert_equal(p.optimizer_state(), state)


# Training


def nielsens_sgd(
    parameters: dict[str, Any],
    x: Any,
    t: Any,
    order: Any,
    batch_size: int,
    eta: float,
    decay: float,
) -> dict[str, Any]:
    """Backpropagation as the book writes it: one example after the other, each a column."""
    layers = ["hidden1", "hidden2", "output"]
    W = [parameters[f"{name}.W"].T.copy() for name in layers]
    b = [parameters[f"{name}.b"][:, None].copy() for name in layers]
    for first in range(0, len(order), batch_size):
        batch = order[first : first + batch_size]
        nabla_W, nabla_b = [0 * w for w in W], [0 * v for v in b]
        for n in batch:
            activations = [x[n].reshape(-1, 1)]
            for w, v in zip(W, b, strict=True):
                activations.append(1 / (1 + np.exp(-(w @ activations[-1] + v))))
            a = activations[-1]
            delta = (a - t[n][:, None]) * a * (1 - a)
            for layer in (2, 1, 0):
                nabla_W[layer] += delta @ activations[layer].T
                nabla_b[layer] += delta
                a = activations[layer]
                delta = (W[layer].T @ delta) * a * (1 - a)
        for layer in range(3):
            W[layer] = (1 - eta * decay) * W[layer] - eta / len(batch) * nabla_W[layer]
            b[layer] = b[layer] - eta / len(batch) * nabla_b[layer]
    trained = {f"{name}.W": w.T for name, w in zip(layers, W, strict=True)}
    return trained | {f"{name}.b": v[:, 0] for name, v in zip(layers, b, strict=True)}


@pytest.mark.parametrize("strength", [0.0, 5.0])
def test_training_is_the_books_stochastic_gradient_descent(strength: float) -> None:
    x, labels = data()
    model = mlp([6, 5, 4, 3], output="sigmoid", weights=StandardNormal(), biases=StandardNormal())
    regularizer = L2(strength) if strength else None
    p = engines.compile(
        model.initialize(2), QuadraticCost(), SGD(3.0), regularizer=regularizer, examples=100
    )
    order = np.random.default_rng(0).permutation(EXAMPLES)
    expected = nielsens_sgd(
        p.parameters(), x, np.eye(3)[labels], order, 5, eta=3.0, decay=strength / 100
    )
    losses = p.train(x, labels, order, 5, 0, [3.0] * 5)
    assert losses.shape == (5,)
    assert expected.keys() == p.parameters().keys()
    for name, w in p.parameters().items():
        np.testing.assert_allclose(w, expected[name], rtol=1e-12, atol=1e-13)
        assert np.abs(w - model.parameters[name]).max() > 0.01


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_in_parts_is_bit_identical(kind: type[Optimizer], dtype: Any) -> None:
    """Also when each part is a new program that was given the parameters and the state."""
    x, t = data()
    x = x.astype(dtype)
    order, rates = np.random.default_rng(0).permutation(EXAMPLES), [0.05, 0.04, 0.03, 0.02, 0.01]

    def build() -> Program:
        return program(
            kind(0.05),
            dropout=0.4,
            dtype=dtype,
            regularizer=L2(0.5),
            clipping=ClipByGlobalNorm(0.5),
            seed=4,
        )

    whole, parts, relay = build(), build(), build()
    expected = whole.train(x, t, order, 5, 7, rates)
    losses: list[float] = []
    for first, last in ((0, 1), (1, 4), (4, 4), (4, 5)):
        piece = (order[5 * first : 5 * last], 5, 7 + first, rates[first:last])
        losses += parts.train(x, t, *piece).tolist()
        relay.train(x, t, *piece)
        successor = build()
        successor.set_parameters(relay.parameters())
        successor.set_optimizer_state(relay.optimizer_state())
        relay = successor
    assert losses == expected.tolist()
    for other in (parts, relay):
        assert_equal(other.parameters(), whole.parameters())
        assert_equal(other.optimizer_state(), whole.optimizer_state())
    assert {w.dtype for w in whole.parameters().values()} == {np.dtype(dtype)}


def test_the_step_is_clipped() -> None:
    x, t = data()
    for clipping in (ClipByGlobalNorm(0.2), ClipByValue(0.01)):
        p = program(SGD(1.0), clipping=clipping)
        before = p.parameters()
        expected = clipping.clip(p.gradients(x, t, 0)[1])
        p.train(x, t, np.arange(EXAMPLES), EXAMPLES, 0, [1.0])
        for name, w in p.parameters().items():
            np.testing.assert_allclose(w, before[name] - expected[name], rtol=1e-14)


def test_the_optimizer_counts_steps_from_one() -> None:
    """Adam's first step is corrected with t = 1: every parameter moves by the learning rate."""
    x, t = data()
    p = program(Adam(0.1, epsilon=0.0))
    before = p.parameters()
    p.train(x, t, np.arange(EXAMPLES), EXAMPLES, 0, [0.1])
    for name, w in p.parameters().items():
        np.testing.assert_allclose(np.abs(w - before[name]), 0.1, rtol=1e-9)


def test_the_losses_are_those_of_each_batch_and_the_last_may_be_short() -> None:
    x, t = data()
    order = np.random.default_rng(0).permutation(EXAMPLES)
    p = program(dropout=0.4, seed=3)
    expected = []
    for step in range(3):
        batch = order[10 * step : 10 * (step + 1)]
        expected.append(p.gradients(x[batch], t[batch], 5 + step)[0])
    assert p.train(x, t, order, 10, 5, [0.0] * 3).tolist() == expected

    short = order[20:]
    assert len(short) == 3
    _, gradients = p.gradients(x[short], t[short], 7)
    before = p.parameters()
    p.train(x, t, order, 10, 5, [0.0, 0.0, 2.0])
    for name, w in p.parameters().items():
        np.testing.assert_allclose(w, before[name] - 2 * gradients[name], rtol=1e-14)


def test_a_batch_larger_than_the_set_is_the_set() -> None:
    x, t = data()
    large, exact = program(), program()
    order = np.arange(EXAMPLES)
    losses = large.train(x, t, order, 1000, 0, [0.1])
    assert losses.tolist() == exact.train(x, t, order, EXAMPLES, 0, [0.1]).tolist()
    assert_equal(large.parameters(), exact.parameters())


def test_more_steps_than_batches_are_refused() -> None:
    x, t = data()
    with pytest.raises(ShapeError) as error:
        program(loss=QuadraticCost()).train(x, t, np.arange(EXAMPLES), EXAMPLES, 0, [0.1, 0.1])
    assert str(error.value) == "QuadraticCost: the batch is empty, a has shape (0, 3)"


def test_learning_rates_from_an_array_keep_float32() -> None:
    x, t = data()
    single, listed = program(Adam(0.1), dtype=np.float32), program(Adam(0.1), dtype=np.float32)
    order, rates = np.arange(EXAMPLES), np.array([0.1, 0.05])
    single.train(x.astype(np.float32), t, order, 12, 0, rates)  # type: ignore[arg-type]
    listed.train(x.astype(np.float32), t, order, 12, 0, rates.tolist())
    assert {w.dtype for w in single.parameters().values()} == {np.dtype(np.float32)}
    assert_equal(single.parameters(), listed.parameters())


@pytest.mark.parametrize("kind", [SGD, Momentum])
def test_a_loss_that_is_not_finite_stops_before_the_update(kind: type[Optimizer]) -> None:
    x, t = data()
    t = np.eye(3)[t]
    rates = [0.01, 1e200, 0.01, 0.01, 0.01]
    order = np.arange(EXAMPLES)
    p = program(kind(0.01), QuadraticCost())
    losses = p.train(x, t, order, 4, 0, rates)
    assert len(losses) == 3
    assert np.isfinite(losses[:-1]).all()
    assert not math.isfinite(losses[-1])

    before = program(kind(0.01), QuadraticCost())
    before.train(x, t, order, 4, 0, rates[:2])
    assert_equal(p.parameters(), before.parameters())
    assert_equal(p.optimizer_state(), before.optimizer_state())


def test_targets_of_the_wrong_shape_are_never_broadcast() -> None:
    x, _ = data()
    for loss in (QuadraticCost(), BinaryCrossEntropyWithLogits()):
        p = program(loss=loss, sizes=(6, 1))
        t = np.ones(EXAMPLES)
        for call in (
            lambda p=p, t=t: p.train(x, t, np.arange(EXAMPLES), EXAMPLES, 0, [0.1]),
            lambda p=p, t=t: p.evaluate(x, t),
            lambda p=p, t=t: p.gradients(x, t),
        ):
            with pytest.raises(ShapeError) as error:
                call()
            assert str(error.value) == (
                f"{loss}: t has shape ({EXAMPLES},), {loss.output} has shape ({EXAMPLES}, 1) "
                f"({loss.equation}); broadcasting would compare every output with every target; "
                f"reshape t with t.reshape({EXAMPLES}, 1)"
            )


# Parameters and state


def test_the_program_owns_its_arrays() -> None:
    x, t = data()
    p = program(Momentum(0.1))
    p.train(x, t, np.arange(EXAMPLES), EXAMPLES, 0, [0.1])
    parameters, state = p.parameters(), p.optimizer_state()
    kept, kept_state = copy.deepcopy(parameters), copy.deepcopy(state)
    p.set_parameters(parameters)
    p.set_optimizer_state(state)
    for array in (*parameters.values(), *state.values()):
        array.fill(7)
    assert_equal(p.parameters(), kept)
    assert_equal(p.optimizer_state(), kept_state)
    for array in (*p.parameters().values(), *p.optimizer_state().values()):
        array.fill(7)
    assert_equal(p.parameters(), kept)
    assert_equal(p.optimizer_state(), kept_state)


def test_inputs_and_targets_are_left_alone() -> None:
    x, t = data()
    x.flags.writeable = t.flags.writeable = False
    order = np.arange(EXAMPLES)
    order.flags.writeable = False
    p = program(dropout=0.3)
    assert len(p.train(x, t, order, 5, 0, [0.1] * 5)) == 5
    assert p.evaluate(x, t).accuracy is not None


def test_parameters_are_cast_to_the_programs_dtype() -> None:
    p = program(Momentum(0.1), dtype=np.float32)
    p.set_parameters({name: w.astype(np.float64) for name, w in p.parameters().items()})
    p.set_optimizer_state({n: v.astype(np.float64) for n, v in p.optimizer_state().items()})
    arrays = (*p.parameters().values(), *p.optimizer_state().values())
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_a_state_of_another_optimizer() -> None:
    with pytest.raises(InputError) as error:
        program(SGD(0.1)).set_optimizer_state({"v.output.W": np.zeros((4, 3))})
    assert str(error.value) == "the optimizer keeps no state; found v.output.W"
    with pytest.raises(InputError) as error:
        program(Momentum(0.1), sizes=(6, 3)).set_optimizer_state({})
    assert str(error.value) == "the optimizer keeps v.output.W, v.output.b; found none"
    with pytest.raises(InputError) as error:
        program(sizes=(6, 3)).set_parameters({"output.W": np.zeros((6, 3))})
    assert str(error.value) == "parameter output.b is missing; expected output.W, output.b"


# Evaluation


def test_evaluation_of_class_labels() -> None:
    x, t = data()
    p = program(dropout=0.5)
    result = p.evaluate(x, t)
    probabilities = p.predict(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
    assert result.accuracy == np.mean(probabilities.argmax(axis=1) == t)
    expected = -np.log(probabilities[np.arange(EXAMPLES), t]).mean()
    assert result.loss == pytest.approx(expected, rel=1e-13)
    assert p.evaluate(x, probabilities.argmax(axis=1)).accuracy == 1
    assert p.evaluate(x, (probabilities.argmax(axis=1) + 1) % 3).accuracy == 0


@pytest.mark.parametrize(
    ("loss", "output"),
    [(BinaryCrossEntropyWithLogits(), None), (QuadraticCost(), "sigmoid")],
    ids=["logits", "sigmoid"],
)
def test_evaluation_of_one_yes_or_no_output(loss: Loss, output: str | None) -> None:
    x, t = data(classes=2)
    p = program(loss=loss, output=output, sizes=(6, 4, 1))
    yes = p.predict(x)
    assert yes.shape == (EXAMPLES, 1)
    assert 0 < yes.min() < 0.5 < yes.max() < 1
    result = p.evaluate(x, t)
    assert result.accuracy == np.mean((yes[:, 0] > 0.5) == t)
    assert p.evaluate(x, (yes[:, 0] > 0.5).astype(np.int64)).accuracy == 1
    assert result.loss == pytest.approx(p.evaluate(x, t[:, None].astype(np.float64)).loss)


def test_an_output_above_one_half_means_yes() -> None:
    model = mlp([1, 1]).initialize(0)
    p = engines.compile(model, QuadraticCost(), SGD(0.1), engine=engine)
    p.set_parameters({"output.W": np.ones((1, 1)), "output.b": np.zeros(1)})
    assert p.evaluate(np.array([[0.45], [0.5], [0.55]]), np.array([0, 0, 1])).accuracy == 1


def test_evaluation_of_values_has_no_accuracy_and_no_penalty() -> None:
    x, _ = data()
    t = np.random.default_rng(1).standard_normal((EXAMPLES, 2))
    p = program(loss=QuadraticCost(), sizes=(6, 4, 2), regularizer=L2(5.0))
    result = p.evaluate(x, t)
    assert result.accuracy is None
    assert result.loss == pytest.approx(((p.predict(x) - t) ** 2).sum() / 2 / EXAMPLES, rel=1e-13)
    assert p.gradients(x, t)[0] > result.loss + 0.1


def test_evaluation_goes_in_parts_and_weighs_each_example_the_same() -> None:
    n = EVALUATION_BATCH + 7
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((n, 6)), rng.integers(0, 3, n)
    x[EVALUATION_BATCH:] *= 10
    p = program()
    probabilities = p.predict(x)
    result = p.evaluate(x, t)
    expected = -np.log(probabilities[np.arange(n), t]).mean()
    assert result.loss == pytest.approx(expected, rel=1e-12)
    assert result.accuracy == np.mean(probabilities.argmax(axis=1) == t)


def test_predictions_and_activations_leave_nothing_out() -> None:
    x, _ = data()
    p = program(loss=CrossEntropy(), output="softmax", dropout=0.5)
    activations = p.activations(x)
    names = [layer.name for layer in p.description.model.layers]
    assert list(activations) == names
    assert len(names) == 9
    np.testing.assert_array_equal(activations["dropout1"], activations["tanh1"])
    np.testing.assert_array_equal(activations["softmax1"], p.predict(x))
    logits = program(dropout=0.5).activations(x)["output"]
    np.testing.assert_array_equal(logits, activations["output"])
