"""Sequences through every engine: ids, padding, and states that are carried on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.initializers import StandardNormal
from byhand.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LastStep,
    Layer,
    OneHot,
    Sequential,
)
from byhand.losses import QuadraticCost, SoftmaxCrossEntropy
from byhand.optimizers import SGD, Momentum

VOCABULARY, STREAMS, STEPS, WINDOWS = 7, 3, 5, 4
RNG = np.random.default_rng(0)
TEXT = RNG.integers(VOCABULARY, size=(STREAMS, WINDOWS * STEPS + 1))
"""So many streams of a text, cut into windows, and the windows one below the other: all first, then
all second. TARGETS has at each place what comes next."""
INPUTS = np.concatenate(np.split(TEXT[:, :-1], WINDOWS, axis=1))
TARGETS = np.concatenate(np.split(TEXT[:, 1:], WINDOWS, axis=1))
ORDER = np.arange(len(INPUTS))

normal: dict[str, Any] = {"biases": StandardNormal()}
CELLS = {
    "rnn": lambda n_in, hidden: RNN(n_in, hidden, **normal),
    "gru": lambda n_in, hidden: GRU(n_in, hidden, **normal),
    "gru before": lambda n_in, hidden: GRU(n_in, hidden, reset="before", **normal),
    "lstm": lambda n_in, hidden: LSTM(n_in, hidden, **normal),
}
FIRST = {"one-hot": (OneHot(VOCABULARY), VOCABULARY), "embedding": (Embedding(VOCABULARY, 3), 3)}
every_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.fixture
def engine(any_engine: str) -> str:
    return any_engine


def character_model(cell: str = "lstm", first: str = "one-hot", *between: Layer) -> Sequential:
    """Two recurrent layers over characters."""
    layer, width = FIRST[first]
    make = CELLS[cell]
    layers = [layer, make(width, 4), *between, make(4, 6), Dense(6, VOCABULARY)]
    return Sequential(*layers).initialize(1)


def program(engine: str, model: Sequential, **options: Any) -> Program:
    chosen: dict[str, Any] = {"carry_state": True, **options}
    loss = chosen.pop("loss", SoftmaxCrossEntropy())
    optimizer = chosen.pop("optimizer", Momentum(0.1))
    return engines.compile(model, loss, optimizer, engine=engine, **chosen)


def everything(one: Program) -> dict[str, Any]:
    return {**one.parameters(), **one.optimizer_state(), **one.recurrent_state()}


def assert_close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, a in expected.items():
        np.testing.assert_allclose(found[name], a, rtol=1e-10, atol=1e-10, err_msg=name)


@every_cell
@pytest.mark.parametrize("first", FIRST)
def test_training_with_carried_states_is_numpys(cell: str, first: str, engine: str) -> None:
    model = character_model(cell, first, Dropout(0.3))
    reference, other = (program(name, model, seed=4) for name in ("numpy", engine))
    rates = [0.1] * WINDOWS
    expected = reference.train(INPUTS, TARGETS, ORDER, STREAMS, 0, rates)
    found = other.train(INPUTS, TARGETS, ORDER, STREAMS, 0, rates)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert_close(everything(other), everything(reference))
    values = [one.gradients(INPUTS[:STREAMS], TARGETS[:STREAMS], 5) for one in (other, reference)]
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-10)
    assert_close(values[0][1], values[1][1])
    expected_mean = reference.evaluate(INPUTS, TARGETS, STREAMS).loss
    assert other.evaluate(INPUTS, TARGETS, STREAMS).loss == pytest.approx(expected_mean, rel=1e-10)


@every_cell
def test_windows_with_carried_states_are_the_text_in_one(cell: str, engine: str) -> None:
    """With a learning rate of 0 the steps only read."""
    model = character_model(cell)
    one = program(engine, model, optimizer=SGD(0.1))
    losses = one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.0] * WINDOWS)
    y, caches = model.forward(TEXT[:, :-1])
    whole, _ = SoftmaxCrossEntropy().forward(y, TEXT[:, 1:])
    assert losses.mean() == pytest.approx(whole, rel=1e-10)
    assert_close(one.recurrent_state(), model.final_states(caches))
    assert one.evaluate(INPUTS, TARGETS, STREAMS).loss == pytest.approx(whole, rel=1e-10)
    assert one.evaluate(TEXT[:, :-1], TEXT[:, 1:]).loss == pytest.approx(whole, rel=1e-10)
    assert abs(one.evaluate(INPUTS, TARGETS).loss - whole) > 1e-3, "states of zeros at each window"


@every_cell
def test_a_text_read_in_pieces_is_the_text_read_in_one(cell: str, engine: str) -> None:
    one = program(engine, character_model(cell))
    whole = one.predict(TEXT)
    states: dict[str, Any] = {}
    pieces = []
    for piece in np.split(TEXT, [1, 2, 7], axis=1):
        probabilities, states = one.predict_from(piece, states)
        pieces.append(probabilities)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(whole.sum(axis=2), 1)
    assert one.recurrent_state() == {}, "what is read leaves the training alone"


def test_the_state_of_training_is_given_and_taken(engine: str) -> None:
    model = character_model()
    one, other = (program(engine, model) for _ in range(2))
    one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.1, 0.1])
    for name in ("parameters", "optimizer_state", "recurrent_state"):
        getattr(other, f"set_{name}")(getattr(one, name)())
    rest = ORDER[2 * STREAMS :]
    for program_ in (one, other):
        program_.train(INPUTS, TARGETS, rest, STREAMS, 2, [0.1, 0.1])
    for name, value in everything(one).items():
        np.testing.assert_array_equal(everything(other)[name], value)
    one.set_recurrent_state({})
    assert one.recurrent_state() == {}


def test_asking_leaves_the_state_of_training_as_it_is(engine: str) -> None:
    one = program(engine, character_model())
    one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.1])
    before = one.recurrent_state()
    assert list(before) == ["lstm1", "lstm2"]
    one.gradients(INPUTS[:STREAMS], TARGETS[:STREAMS], 1)
    one.evaluate(INPUTS, TARGETS, STREAMS)
    one.predict(INPUTS)
    one.predict_from(INPUTS[:1], {})
    one.activations(INPUTS)
    for name, value in one.recurrent_state().items():
        np.testing.assert_array_equal(value, before[name])


def test_without_carrying_every_example_starts_from_zeros(engine: str) -> None:
    one = program(engine, character_model(), carry_state=False)
    one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.1, 0.1])
    assert one.recurrent_state() == {}
    one.set_recurrent_state({})
    with pytest.raises(InputError) as error:
        one.set_recurrent_state({"lstm1": np.zeros((2, 3, 4))})
    assert str(error.value) == (
        "every example starts from states of zeros: compile the model with carry_state=True"
    )


def test_what_stands_after_the_end_of_a_sequence_changes_nothing(engine: str) -> None:
    """Padded inputs and targets give what each sequence gives by itself."""
    both = Bidirectional(LSTM(5, 4, **normal), GRU(5, 3, **normal))
    model = Sequential(Embedding(VOCABULARY, 5), RNN(5, 5), both, Dense(7, VOCABULARY))
    model.initialize(1)
    one = program(engine, model, carry_state=False)
    x, t = INPUTS[:2].copy(), TARGETS[:2].copy()
    x[0, 2:] = t[0, 2:] = -1
    loss, gradients = one.gradients(x, t)
    short, of_short = one.gradients(x[:1, :2], t[:1, :2])
    long, of_long = one.gradients(x[1:], t[1:])
    assert loss == pytest.approx((2 * short + STEPS * long) / (2 + STEPS), rel=1e-10)
    mean = {name: (2 * of_short[name] + STEPS * of_long[name]) / (2 + STEPS) for name in gradients}
    assert_close(gradients, mean)
    found = one.evaluate(x, t)
    assert found.loss == pytest.approx(loss, rel=1e-10)
    assert found.accuracy is None


def test_one_answer_for_a_sequence_of_numbers(engine: str) -> None:
    model = Sequential(GRU(2, 4, **normal), LastStep(), Dense(4, 1)).initialize(1)
    x = RNG.standard_normal((6, 9, 2))
    t = x.sum(axis=(1, 2))[:, None]
    reference, other = (
        program(name, model, loss=QuadraticCost(), carry_state=False) for name in ("numpy", engine)
    )
    for one in (reference, other):
        one.train(x, t, np.arange(6), 3, 0, [0.1, 0.1])
    assert_close(everything(other), everything(reference))
    np.testing.assert_allclose(other.predict(x), reference.predict(x), rtol=1e-10)


def test_a_batch_of_another_size_than_the_state(engine: str) -> None:
    one = program(engine, character_model())
    one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.1])
    with pytest.raises(ShapeError) as error:
        one.train(INPUTS, TARGETS, ORDER, 2, 1, [0.1])
    assert "lstm1" in str(error.value)
    assert "batch" in str(error.value)


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ({"gru1": np.zeros((3, 4))}, "no layer with a state is named gru1; there is lstm1, lstm2"),
        (
            {"lstm1": np.zeros((3, 4))},
            "the state of lstm1 has shape (3, 4), expected (2, 3, 4)",
        ),
        (
            {"lstm1": np.zeros((2, 3, 4)), "lstm2": np.zeros((2, 1, 6))},
            "the state of lstm2 has shape (2, 1, 6), expected (2, 3, 6)",
        ),
    ],
)
def test_states_that_are_not_the_models(states: Any, text: str, engine: str) -> None:
    one = program(engine, character_model())
    for call in (
        lambda: one.set_recurrent_state(states),
        lambda: one.predict_from(INPUTS[:3], states),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == text
    assert one.recurrent_state() == {}


def test_groups_that_are_not_whole(engine: str) -> None:
    one = program(engine, character_model())
    with pytest.raises(InputError) as error:
        one.evaluate(INPUTS[:7], TARGETS[:7], 3)
    assert str(error.value) == (
        "7 examples make no whole groups of streams = 3: give a multiple of 3"
    )


def test_models_that_have_no_state_to_carry() -> None:
    with pytest.raises(InputError) as error:
        program("numpy", Sequential(Dense(3, 2)).initialize())
    assert str(error.value) == (
        "carry_state carries the states of recurrent layers (RNN, GRU, LSTM), the model has none: "
        "leave it out"
    )
    both = Bidirectional(RNN(3, 2), RNN(3, 2), name="both")
    with pytest.raises(InputError) as error:
        program("numpy", Sequential(both).initialize())
    assert str(error.value) == (
        'Bidirectional "both" reads each sequence from its end too, so no state can be carried on: '
        "leave carry_state out, or read in one direction"
    )


def test_a_loss_that_is_not_finite_leaves_the_state(engine: str) -> None:
    one = program(engine, character_model())
    one.train(INPUTS, TARGETS, ORDER, STREAMS, 0, [0.1])
    before = one.recurrent_state()
    broken = {name: np.full_like(value, np.inf) for name, value in one.parameters().items()}
    one.set_parameters(broken)
    losses = one.train(INPUTS, TARGETS, ORDER, STREAMS, 1, [0.1, 0.1])
    assert len(losses) == 1
    assert not math.isfinite(losses[0])
    for name, value in one.recurrent_state().items():
        np.testing.assert_array_equal(value, before[name])
