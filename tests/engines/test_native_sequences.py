"""What is special to sequences in the native engine: how they lie in memory, threads, lengths that
change, and what is refused before C++ reads it. That states are NumPy's is in test_sequences.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.clipping import ClipByGlobalNorm
from byhand.engines import Program
from byhand.errors import InputError
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
    LayerNorm,
    OneHot,
    Sequential,
    Softmax,
    Tanh,
)
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD, Adam, Optimizer

from .agreement import Case, assert_agreement, both_dtypes, normal

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

Array = np.typing.NDArray[Any]
VOCABULARY = 7
KINDS: dict[str, Callable[[int, int], Any]] = {
    "RNN": lambda n_in, hidden: RNN(n_in, hidden, biases=StandardNormal()),
    "GRU after": lambda n_in, hidden: GRU(n_in, hidden, biases=StandardNormal()),
    "GRU before": lambda n_in, hidden: GRU(n_in, hidden, reset="before", biases=StandardNormal()),
    "LSTM": lambda n_in, hidden: LSTM(n_in, hidden, biases=StandardNormal()),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def text(examples: int, steps: int, padded: bool = False) -> tuple[Array, Array]:
    """Ids and labels; sequences of all lengths from 1 on, if they are padded."""
    ids = np.random.default_rng(2).integers(VOCABULARY, size=(examples, steps + 1))
    x, t = ids[:, :-1].copy(), ids[:, 1:].copy()
    if padded:
        behind = np.arange(steps) > np.arange(examples)[:, None] % steps
        x[behind] = t[behind] = -1
    return x, t


def model(kind: str, hidden: int, dtype: Any, *behind: Layer, first: Layer | None = None) -> Any:
    first = first or OneHot(VOCABULARY)
    width = VOCABULARY if isinstance(first, OneHot) else first.sizes["features"]
    make = KINDS[kind]
    layers = [first, make(width, hidden), *behind, make(hidden, hidden), Dense(hidden, VOCABULARY)]
    return Sequential(*layers).initialize(3, dtype)


def program(model: Sequential, optimizer: Optimizer | None = None, **options: Any) -> Program:
    chosen = {"engine": "native", **options}
    return engines.compile(model, SoftmaxCrossEntropy(), optimizer or SGD(0.1), **chosen)


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    """To the last bit."""
    assert found.keys() == expected.keys()
    for name, a in found.items():
        np.testing.assert_array_equal(a, expected[name], err_msg=name)


# Agreement


@both_dtypes
@pytest.mark.parametrize("hidden", [1, 15, 16, 37])
@every_kind
def test_units_that_fill_whole_blocks_or_not(kind: str, hidden: int, dtype: Any) -> None:
    x, t = text(40, 5)
    case = Case(model(kind, hidden, dtype), x, t, optimizer=SGD(0.05), batch=13)
    assert_agreement(case, "native", steps=20)


@both_dtypes
@every_kind
def test_padded_sequences(kind: str, dtype: Any) -> None:
    """With what else may stand between: a table of vectors, and layers that know no time."""
    x, t = text(40, 5, padded=True)
    behind = Dropout(0.3), LayerNorm(9), Dense(9, 9), Tanh(), Softmax()
    layers = model(kind, 9, dtype, *behind, first=Embedding(VOCABULARY, 4))
    assert_agreement(Case(layers, x, t, optimizer=SGD(0.05)), "native", steps=20)


@both_dtypes
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("first", [OneHot(VOCABULARY), Embedding(VOCABULARY, 7)], ids=str)
def test_both_directions(first: Layer, padded: bool, dtype: Any) -> None:
    x, t = text(40, 5, padded)
    both = Bidirectional(KINDS["GRU before"](7, 5), KINDS["LSTM"](7, 4))
    above = Bidirectional(KINDS["RNN"](9, 3), KINDS["GRU after"](9, 6))
    layers = Sequential(first, both, above, Dense(9, VOCABULARY)).initialize(3, dtype)
    assert_agreement(Case(layers, x, t, optimizer=SGD(0.05), batch=13), "native", steps=20)


@both_dtypes
def test_adam_and_clipping_leave_filled_up_units_alone(dtype: Any) -> None:
    x, t = text(40, 5)
    layers = model("LSTM", 5, dtype)
    case = Case(layers, x, t, optimizer=Adam(0.001), clipping=ClipByGlobalNorm(0.1), batch=13)
    assert_agreement(case, "native", steps=10)


# Threads


@both_dtypes
@every_kind
def test_the_number_of_threads_changes_no_bit(kind: str, dtype: Any) -> None:
    x, t = text(130, 4)
    layers = model(kind, 67, dtype, first=Embedding(VOCABULARY, 70))

    def everything(threads: int) -> dict[str, Array]:
        one = program(layers, Adam(0.001), threads=threads, carry_state=True)
        losses = one.train(x, t, np.arange(130), 65, 0, [0.001, 0.001])
        y, states = one.predict_from(x, {})
        return {"losses": losses, "y": y, **states, **one.parameters(), **one.optimizer_state()}

    expected = everything(1)
    for threads in (2, 3):
        assert_same(everything(threads), expected)


# Lengths


def test_sampling_between_two_steps_of_training() -> None:
    """Sequences of other lengths make no new program: nothing is lost of state or optimizer."""
    x, t = text(6, 5)
    one, other = (program(model("LSTM", 5, np.float64), Adam(0.1), carry_state=True) for _ in "12")
    for step in range(3):
        for p in (one, other):
            p.train(x, t, np.arange(6), 6, step, [0.1])
        states: dict[str, Array] = {}
        for k in range(4):
            _, states = one.predict_from(x[:1, k : k + 1], states)
        one.evaluate(x[:, :2], t[:, :2])
    for name in ("parameters", "optimizer_state", "recurrent_state"):
        assert_same(getattr(one, name)(), getattr(other, name)())


@every_kind
def test_a_run_that_diverged_leaves_nothing_behind(kind: str) -> None:
    """What is left in memory takes no part: in steps that are padding now, in units that fill up
    a block, and where a smaller batch had its later steps."""
    x, t = text(6, 5)
    padded = text(6, 5, padded=True)
    layers = model(kind, 5, np.float64, first=Embedding(VOCABULARY, 4))
    used, fresh = program(layers), program(layers)
    used.train(x, t, np.arange(6), 2, 0, [np.inf])
    assert not all(np.isfinite(w).all() for w in used.parameters().values())
    used.gradients(x, t)
    used.gradients(x[:2], t[:2])
    used.set_parameters(layers.parameters)
    (found, gradients), (expected, others) = used.gradients(*padded), fresh.gradients(*padded)
    assert math.isfinite(found)
    assert found == expected
    assert_same(gradients, others)


# What is refused


X, T = text(6, 5)
OTHER: dict[str, Callable[[Program], Any]] = {
    "an id too high": lambda p: p.predict(X + VOCABULARY),
    "an id too low": lambda p: p.evaluate(X - 2, T),
    "an id too high in training": lambda p: p.train(X + 9, T, np.arange(6), 6, 0, [0.1]),
    "an id that wraps": lambda p: p.predict(X[:1, :1].astype(np.uint64) * 0 + np.uint64(2**63)),
    "an id too high for one character": lambda p: p.predict_from(X[:1, :1] + VOCABULARY, {}),
    "ids as floats": lambda p: p.predict(X.astype(np.float64)),
    "no steps": lambda p: p.predict(X[:, :0]),
    "labels for other steps": lambda p: p.evaluate(X, T[:, :4]),
    "a label for each example": lambda p: p.evaluate(X, T[:, 0]),
    "a label too high": lambda p: p.gradients(X, T + VOCABULARY),
    "a label below padding": lambda p: p.gradients(X, T - 3),
    "labels that ask for nothing": lambda p: p.gradients(X, T * 0 - 1),
    "a batch that asks for nothing": lambda p: p.train(
        X, np.where(np.arange(6)[:, None] < 2, T, -1), np.arange(6), 2, 0, [0.1] * 3
    ),
    "no examples": lambda p: p.evaluate(X[:0], T[:0]),
    "states of another batch": lambda p: p.predict_from(
        X, {"lstm1": np.zeros((2, 3, 5)), "lstm2": np.zeros((2, 3, 5))}
    ),
}


@pytest.mark.parametrize("call", OTHER.values(), ids=OTHER.keys())
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_what_numpy_refuses_is_refused_in_the_same_words(
    call: Callable[[Program], Any], used: bool
) -> None:
    messages = []
    for engine in ("numpy", "native"):
        p = program(model("LSTM", 5, np.float64), engine=engine)
        if used:
            p.predict(X)
        with pytest.raises(InputError) as error:
            call(p)
        messages.append((error.type, str(error.value)))
        assert np.isfinite(p.predict(X)).all()
    assert messages[0] == messages[1]


def test_a_batch_of_another_size_is_refused_before_anything_is_trained() -> None:
    p = program(model("LSTM", 5, np.float64), carry_state=True)
    before = p.parameters()
    with pytest.raises(InputError) as error:
        p.train(X, T, np.arange(6), 4, 0, [0.1, 0.1])
    assert "batch" in str(error.value)
    assert_same(p.parameters(), before)
    assert p.recurrent_state() == {}


def test_labels_that_ask_for_nothing_have_no_mean() -> None:
    for engine in ("numpy", "native"):
        found = program(model("LSTM", 5, np.float64), engine=engine).evaluate(X, T * 0 - 1)
        assert math.isnan(found.loss)
        assert found.accuracy is None


@pytest.mark.parametrize("ids", [np.int8, np.uint16, np.dtype(">i4")], ids=str)
def test_ids_of_any_integer_type(ids: Any) -> None:
    p = program(model("LSTM", 5, np.float32))
    np.testing.assert_array_equal(p.predict(X.astype(ids)), p.predict(X))


def test_the_answer_after_a_sequence_of_numbers() -> None:
    """Several numbers at each step, and one class for each example, so that answers are right."""
    layers = Sequential(LSTM(3, 6), LastStep(), Dense(6, 4)).initialize(0)
    x, t = normal((300, 5, 3), np.float64), np.random.default_rng(1).integers(4, size=300)
    numpy, native = (program(layers, engine=engine) for engine in ("numpy", "native"))
    assert native.evaluate(x, t).accuracy == numpy.evaluate(x, t).accuracy
    np.testing.assert_allclose(native.predict(x), numpy.predict(x), rtol=1e-10)
