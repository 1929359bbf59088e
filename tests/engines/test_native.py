"""What is special to the native engine: what it is given, what it keeps, and who calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byhand
from byhand import engines
from byhand.clipping import ClipByGlobalNorm, ClipByValue, Clipping
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.initializers import StandardNormal
from byhand.layers import Dense, Flatten, Layer, ReLU, Sequential, Softmax
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
)
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, AdamW, Momentum, Optimizer
from byhand.regularizers import L2, Regularizer
from byhand.training import checkpoint
from byhand.training.checkpoint import Position

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

from byhand.engines.native import TWINS

Array = np.typing.NDArray[Any]
EXAMPLES = 23
ORDER = np.random.default_rng(7).permutation(EXAMPLES)
BOTH = ("numpy", "native")
TIMES = 300


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


# Without a twin


class Cube(Layer):
    equation = "y = x³"
    axes = {"x": ("...",), "y": ("...",)}


class Hinge(Loss):
    equation = "L = max(0, 1 − t y)"
    output = "y"


class Lion(Optimizer):
    pass


class Elastic(Regularizer):
    pass


class ClipByLayer(Clipping):
    pass


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"model": Sequential(Dense(3, 2), Cube())}, "the layer Cube has no twin in C++"),
        ({"loss": Hinge()}, "the loss Hinge has no twin in C++"),
        ({"optimizer": Lion(0.1)}, "the optimizer Lion has no twin in C++"),
        ({"regularizer": Elastic(1.0)}, "the regularizer Elastic has no twin in C++"),
        ({"clipping": ClipByLayer(1.0)}, "the clipping ClipByLayer has no twin in C++"),
    ],
    ids=["layer", "loss", "optimizer", "regularizer", "clipping"],
)
def test_a_part_without_a_twin(given: dict[str, Any], expected: str) -> None:
    """It is refused when the program is made, not when the first examples come."""
    parts: dict[str, Any] = {
        "model": Sequential(Dense(3, 2)),
        "loss": QuadraticCost(),
        "optimizer": SGD(0.1),
        **given,
    }
    parts["model"].initialize(0)
    what = expected.split()[1]
    with pytest.raises(InputError) as error:
        engines.compile(**parts, engine="native", examples=10)
    assert str(error.value) == f"{expected}, which has {', '.join(TWINS[what])}; use engine numpy"
    engines.compile(**parts, engine="numpy", examples=10)


@pytest.mark.parametrize(
    "kind", [Dense, QuadraticCost, SGD, L2, ClipByValue], ids=lambda kind: kind.__name__
)
def test_a_part_that_only_shares_its_name_with_one_that_has_a_twin(kind: type) -> None:
    """Somebody's own Dense is another layer, and C++ would silently compute byhand's."""
    own = type(kind.__name__, (kind,), {})
    model = Sequential(own(3, 2) if kind is Dense else Dense(3, 2)).initialize(0)
    with pytest.raises(InputError, match=rf"{kind.__name__} has no twin in C\+\+"):
        engines.compile(
            model,
            own() if kind is QuadraticCost else QuadraticCost(),
            own(0.1) if kind is SGD else SGD(0.1),
            regularizer=own(1.0) if kind is L2 else None,
            clipping=own(1.0) if kind is ClipByValue else None,
            examples=10,
            engine="native",
        )


# What is refused


def in_float16(engine: str) -> Program:
    return of(Sequential(Flatten(), Dense(6, 3)).initialize(0, np.float16), engine=engine)


def in_two_dtypes(engine: str) -> Program:
    model = Sequential(Flatten(), Dense(6, 4), Dense(4, 3)).initialize(0, np.float32)
    model.layers[-1].W = model.layers[-1].W.astype(np.float64)
    return of(model, engine=engine)


def quadratic(engine: str) -> Program:
    return program(QuadraticCost(), engine=engine)


X, T = data()
ONE_HOT = np.eye(3)[T]
REFUSED: dict[str, Callable[[str], Any]] = {
    "a label too high": lambda e: program(engine=e).evaluate(X, T + 9),
    "a label too low": lambda e: program(engine=e).gradients(X, T - 1),
    "a label too high in training": lambda e: go_on(program(engine=e), X, T + 9),
    "a label too low in training": lambda e: go_on(program(engine=e), X, T - 3),
    "an unsigned label that wraps": lambda e: go_on(
        program(engine=e), X, T.astype(np.uint64) + np.uint64(2**63)
    ),
    "a third label for one output": lambda e: go_on(
        program(BinaryCrossEntropyWithLogits(), engine=e, sizes=(6, 1)), X, T * 0 + 2
    ),
    "labels in a column": lambda e: go_on(program(engine=e), X, T[:, None]),
    "one-hot rows of whole numbers": lambda e: quadratic(e).evaluate(X, ONE_HOT.astype(int)),
    "fewer labels than examples": lambda e: program(engine=e).evaluate(X, T[:5]),
    "more labels than examples": lambda e: program(engine=e).gradients(X[:5], T),
    "more labels than examples, in whole parts": lambda e: program(engine=e).evaluate(
        np.zeros((2500, 6)), np.zeros(5000, np.int64)
    ),
    "fewer values than examples": lambda e: quadratic(e).evaluate(X, ONE_HOT[:5]),
    "values of another width": lambda e: go_on(quadratic(e), X, ONE_HOT[:, :2]),
    "values in one row": lambda e: go_on(quadratic(e), X, ONE_HOT.ravel()[:EXAMPLES]),
    "examples too wide": lambda e: program(engine=e).predict(np.zeros((4, 7))),
    "examples too narrow": lambda e: program(engine=e).evaluate(np.zeros((4, 2, 2)), T[:4]),
    "one example without a batch": lambda e: program(engine=e).activations(np.zeros(6)),
    "a model in half precision": lambda e: in_float16(e).predict(X),
    "a model in two dtypes": lambda e: in_two_dtypes(e).predict(X),
    "no examples to evaluate": lambda e: program(engine=e).evaluate(X[:0], T[:0]),
    "no examples to differentiate": lambda e: program(engine=e).gradients(X[:0], T[:0]),
    "an empty batch": lambda e: program(engine=e).train(X, T, ORDER, 0, 0, [0.1]),
    "an empty order": lambda e: program(engine=e).train(X, T, ORDER[:0], 5, 0, [0.1]),
    "more steps than batches": lambda e: program(engine=e).train(X, T, ORDER, 5, 0, [0.1] * 6),
    "rates that are not numbers": lambda e: program(engine=e).train(
        X,
        T,
        ORDER,
        5,
        0,
        [None],  # type: ignore[list-item]
    ),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_what_numpy_refuses_is_refused_in_the_same_words(call: Callable[[str], Any]) -> None:
    with pytest.raises((InputError, TypeError)) as numpy:
        call("numpy")
    with pytest.raises((InputError, TypeError)) as native:
        call("native")
    assert (native.type, str(native.value)) == (numpy.type, str(numpy.value))


@pytest.mark.parametrize("kind", [Softmax, lambda: Dense(3, 3)], ids=["Softmax", "Dense"])
def test_examples_that_are_no_rows_for_a_layer_that_takes_rows(kind: Callable[[], Layer]) -> None:
    """An image is one row in C++, which would compute something."""
    p = of(Sequential(kind(), Flatten(), Dense(6, 3)).initialize(0))
    with pytest.raises(InputError) as error:
        p.predict(X[:, None])
    assert str(error.value) == (
        f"{p.description.model.layers[0]}: engine native takes examples of one axis here, or of "
        "two, time first; found (1, 2, 3): use engine numpy"
    )
    numpy = of(p.description.model, engine="numpy")
    np.testing.assert_allclose(p.predict(X), numpy.predict(X), rtol=1e-12)


@pytest.mark.parametrize(("wrong", "named"), [(-1, -1), (EXAMPLES, EXAMPLES), (10**15, 10**15)])
@pytest.mark.parametrize("where", [0, 12, EXAMPLES - 1])
def test_an_order_that_names_an_example_that_is_not_there(
    where: int, wrong: int, named: int
) -> None:
    order = ORDER.copy()
    order[where] = wrong
    p = program()
    before = p.parameters()
    with pytest.raises(InputError) as error:
        p.train(X, T, order, 5, 0, [0.1] * 5)
    assert str(error.value) == f"the order names example {named}, there are 0 to 22"
    assert_same(p.parameters(), before)


def test_an_order_is_for_inputs_and_targets() -> None:
    p = program()
    assert len(p.train(X, T[:10], np.arange(10), 5, 0, [0.1] * 2)) == 2
    for x, t in ((X, T[:10]), (X[:10], T)):
        with pytest.raises(InputError) as error:
            p.train(x, t, ORDER, 5, 0, [0.1] * 2)
        assert str(error.value) == "the order names example 22, there are 0 to 9"


@pytest.mark.parametrize("rates", [np.ones((2, 3)), np.ones((1, 9)), [[0.1]]], ids=str)
def test_learning_rates_are_one_number_for_each_step(rates: Any) -> None:
    with pytest.raises(ShapeError) as error:
        program().train(X, T, ORDER, 5, 0, rates)
    assert str(error.value) == (
        f"learning rates have shape {np.shape(rates)}, expected one number for each step"
    )


@pytest.mark.parametrize("batch_size", [-1, -5, -(2**40)])
def test_a_batch_size_below_zero(batch_size: int) -> None:
    p = program()
    before = p.parameters()
    with pytest.raises(InputError) as error:
        p.train(X, T, ORDER, batch_size, 0, [0.1])
    assert str(error.value) == f"batch_size is at least 1, found {batch_size}"
    assert_same(p.parameters(), before)


def test_a_program_goes_on_after_it_refused_something() -> None:
    p, untouched = program(), program()
    for call in (
        lambda: p.evaluate(X, T + 9),
        lambda: p.predict(np.zeros((4, 7))),
        lambda: p.train(X, T, ORDER + 1, 5, 0, [0.1]),
        lambda: p.set_parameters({}),
    ):
        with pytest.raises(InputError):
            call()
    assert go_on(p, X, T) == go_on(untouched, X, T)
    assert_same(everything(p), everything(untouched))


# What is taken


TAKEN: dict[str, Callable[[Array, Array, Array], tuple[Array, Array, Array]]] = {
    "other whole numbers": lambda x, t, o: (x, t.astype(np.uint8), o.astype(np.int16)),
    "unsigned labels": lambda x, t, o: (x, t.astype(np.uint64), o.astype(np.uint32)),
    "other byte order": lambda x, t, o: (
        x.astype(x.dtype.newbyteorder()),
        t.astype(">i4"),
        o.astype(">i8"),
    ),
    "every other row": lambda x, t, o: (
        np.repeat(x, 2, axis=0)[::2],
        np.repeat(t, 2)[::2],
        np.repeat(o, 2)[::2],
    ),
    "reversed": lambda x, t, o: (x[::-1].copy()[::-1], t[::-1].copy()[::-1], o[::-1].copy()[::-1]),
    "Fortran order": lambda x, t, o: (np.asfortranarray(x), t, o),
    "unaligned": lambda x, t, o: (unaligned(x), unaligned(t), unaligned(o)),
    "read-only": lambda x, t, o: (read_only(x), read_only(t), read_only(o)),
}


def unaligned(a: Array) -> Array:
    """The same array one byte off where its numbers belong."""
    moved = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    moved[...] = a
    assert not moved.flags.aligned
    return moved


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", TAKEN.values(), ids=TAKEN.keys())
def test_arrays_in_any_form(form: Callable[..., tuple[Array, Array, Array]], dtype: Any) -> None:
    x, t = data(dtype)
    plain, p = program(dtype=dtype, dropout=0.3), program(dtype=dtype, dropout=0.3)
    given = form(x, t, ORDER)
    expected = plain.train(x, t, ORDER, 5, 0, [0.1] * 5)
    np.testing.assert_array_equal(p.train(*given, 5, 0, [0.1] * 5), expected)
    assert_same(everything(p), everything(plain))
    assert p.evaluate(*given[:2]) == plain.evaluate(x, t)
    np.testing.assert_array_equal(p.predict(given[0]), plain.predict(x))
    assert p.gradients(*given[:2])[0] == plain.gradients(x, t)[0]


def test_values_in_any_form() -> None:
    x, _ = data()
    t = np.random.default_rng(3).standard_normal((EXAMPLES, 3))
    plain = program(QuadraticCost())
    expected = plain.evaluate(x, t), go_on(plain, x, t)
    for form in (np.asfortranarray, unaligned, read_only, lambda a: np.repeat(a, 2, 0)[::2]):
        p = program(QuadraticCost())
        assert (p.evaluate(x, form(t)), go_on(p, x, form(t))) == expected


def test_inputs_are_cast_to_the_programs_dtype() -> None:
    """Pictures in bytes, and examples in more or less precision than the model has."""
    x = np.random.default_rng(0).integers(0, 256, (EXAMPLES, 6)).astype(np.uint8)
    for dtype in (np.float32, np.float64):
        plain = go_on(program(dtype=dtype), x.astype(dtype), T)
        for other in (np.uint8, np.float16, np.float32, np.float64):
            p = program(dtype=dtype)
            assert go_on(p, x.astype(other), T) == plain
            assert p.predict(x.astype(other)).dtype == dtype


def test_more_of_an_order_than_is_used() -> None:
    p, q = program(), program()
    p.train(X, T, ORDER, 4, 0, [0.1] * 2)
    q.train(X, T, ORDER[:8], 4, 0, [0.1] * 2)
    assert_same(p.parameters(), q.parameters())


def test_numbers_as_numpy_has_them() -> None:
    p, q = program(dropout=0.4, seed=np.int64(3)), program(dropout=0.4, seed=3)
    given = np.int64(5), np.uint64(7), np.full(5, 0.1, np.float32)
    p.train(X, T, ORDER, *given)  # type: ignore[arg-type]
    q.train(X, T, ORDER, 5, 7, [float(np.float32(0.1))] * 5)
    assert_same(p.parameters(), q.parameters())
    assert p.gradients(X, T, np.int64(9))[0] == q.gradients(X, T, 9)[0]


def test_batches_larger_than_any_array() -> None:
    p, q = program(), program()
    losses = p.train(X, T, ORDER, 2**70, 0, [0.1])
    assert losses.tolist() == q.train(X, T, ORDER, EXAMPLES, 0, [0.1]).tolist()
    assert_same(p.parameters(), q.parameters())


def test_no_steps_and_no_examples() -> None:
    for p in (program(), program(engine="numpy")):
        before = p.parameters()
        losses = p.train(X, T, ORDER, 5, 0, [])
        assert (losses.shape, losses.dtype) == ((0,), np.float64)
        assert_same(p.parameters(), before)
        y = p.predict(X[:0])
        assert (y.shape, y.dtype) == ((0, 3), np.float64)
        assert {a.shape for a in p.activations(X[:0]).values()} == {(0, 6), (0, 5), (0, 3)}


def test_batches_of_growing_and_shrinking_size() -> None:
    """Room is made for the largest batch so far; what a larger one left there is never read."""
    x, t = np.resize(X, (600, 2, 3)), np.resize(T, 600)
    p = program(dropout=0.3)
    for rows in (1, 300, 2, 600, 7, 257, 256, 1):
        fresh = program(dropout=0.3)
        assert p.evaluate(x[:rows], t[:rows]) == fresh.evaluate(x[:rows], t[:rows])
        np.testing.assert_array_equal(p.predict(x[:rows]), fresh.predict(x[:rows]))
        assert_same(p.activations(x[:rows]), fresh.activations(x[:rows]))
        objective, gradients = p.gradients(x[:rows], t[:rows], 3)
        expected, others = fresh.gradients(x[:rows], t[:rows], 3)
        assert objective == expected
        assert_same(gradients, others)


# What is kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_state_before_the_first_examples_and_after(dtype: Any) -> None:
    x, t = data(dtype)
    trained = program(optimizer=Adam(0.01), dtype=dtype)
    go_on(trained, x, t)
    parameters, state = trained.parameters(), trained.optimizer_state()

    early = program(optimizer=Adam(0.01), dtype=dtype)
    assert {name: a.shape for name, a in everything(early).items()} == {
        name: a.shape for name, a in everything(trained).items()
    }
    assert not any(a.any() for a in early.optimizer_state().values())
    early.set_parameters(parameters)
    early.set_optimizer_state(state)
    late = program(optimizer=Adam(0.01), dtype=dtype)
    late.predict(x)
    late.set_parameters({name: np.asfortranarray(a) for name, a in parameters.items()})
    late.set_optimizer_state({name: np.asfortranarray(a) for name, a in state.items()})

    expected = go_on(trained, x, t, 5)
    after = everything(trained)
    for other in (early, late):
        assert_same(other.parameters(), parameters)
        assert_same(other.optimizer_state(), state)
        assert go_on(other, x, t, 5) == expected
        assert_same(everything(other), after)


def test_the_order_of_names_is_that_of_the_model() -> None:
    for p in (program(optimizer=Adam(0.1)), program(optimizer=Adam(0.1), engine="numpy")):
        names = ["hidden1.W", "hidden1.b", "output.W", "output.b"]
        state = [f"{symbol}.{name}" for name in names for symbol in "ms"]
        for _ in range(2):
            assert list(p.parameters()) == names
            assert list(p.optimizer_state()) == state
            assert sorted(p.gradients(X, T)[1]) == sorted(names)


def test_examples_of_another_shape_keep_parameters_and_state() -> None:
    """With Flatten in front a model takes them in any shape."""
    one, mixed = (program(optimizer=Adam(0.01), dropout=0.3) for _ in range(2))
    shapes = [(6,), (2, 3), (3, 2, 1), (6,), (1, 1, 6)]
    for k, shape in enumerate(shapes):
        x = X.reshape(EXAMPLES, *shape)
        assert go_on(mixed, x, T, 5 * k) == go_on(one, X, T, 5 * k)
        assert_same(everything(mixed), everything(one))
        np.testing.assert_array_equal(mixed.predict(X), one.predict(X))
        assert mixed.activations(x)["flatten1"].shape == (EXAMPLES, 6)


def test_examples_of_one_number_each() -> None:
    model = Sequential(Flatten(), Dense(1, 3)).initialize(0)
    x = np.linspace(-1, 1, 5)
    numpy, native = (of(model, engine=engine).predict(x) for engine in BOTH)
    np.testing.assert_allclose(native, numpy, rtol=1e-14)


def test_activations_have_the_shapes_of_their_layers() -> None:
    model = Sequential(ReLU(), Flatten(), Dense(6, 3)).initialize(0)
    numpy, native = (of(model, engine=engine).activations(X) for engine in BOTH)
    assert {name: a.shape for name, a in native.items()} == {
        "relu1": (EXAMPLES, 2, 3),
        "flatten1": (EXAMPLES, 6),
        "dense1": (EXAMPLES, 3),
    }
    assert list(native) == list(numpy)
    np.testing.assert_array_equal(native["relu1"], numpy["relu1"])


@pytest.mark.parametrize("optimizer", [SGD(0.01), Momentum(0.01), AdamW(0.01)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_checkpoints_go_from_engine_to_engine(
    optimizer: Optimizer, dtype: Any, tmp_path: Path
) -> None:
    """Native goes on to the same bits, with or without NumPy in between; NumPy agrees."""
    x, t = data(dtype)
    file = tmp_path / "checkpoint.safetensors"

    def build(engine: str) -> Program:
        return program(optimizer=optimizer, engine=engine, dropout=0.3, dtype=dtype)

    def passed_on(p: Program, engine: str) -> Program:
        checkpoint.save(file, p, Position(step=20))
        successor = build(engine)
        assert checkpoint.load(file, successor).step == 20
        assert_same(everything(successor), everything(p))
        return successor

    whole = build("native")
    go_on(whole, x, t, steps=20)
    heir = passed_on(whole, "native")
    guest = passed_on(passed_on(whole, "numpy"), "native")
    other = passed_on(whole, "numpy")
    expected = go_on(whole, x, t, 20, steps=20)
    for p in (heir, guest):
        assert go_on(p, x, t, 20, steps=20) == expected
        assert_same(everything(p), everything(whole))
    # 20 steps of rounding; tests/engines/test_agreement.py says why in float32 so many.
    tolerance = 1e-10 if dtype == np.float64 else 8 * 1.2e-7 * (EXAMPLES * 20) ** 0.5
    np.testing.assert_allclose(go_on(other, x, t, 20, steps=20), expected, rtol=tolerance)
    for name, value in everything(other).items():
        off = np.abs(value - everything(whole)[name]).max()
        assert off <= tolerance * np.abs(value).max(), name


# Numbers that are none


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


# Who calls it


SETTING = """
import faulthandler, os, signal, sys, threading, time
import numpy as np
from byhand import engines
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD

model = mlp([784, 100, 10]).initialize(0, np.float32)
p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native")
x, t = np.ones((1000, 784), np.float32), np.zeros(1000, np.int64)
expected = p.predict(x)
# Whoever starts the tests in the background may have let SIGINT be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A call that is not interrupted, or never comes back, is given up after so many seconds.
faulthandler.dump_traceback_later(10, exit=True)

def train(steps):
    return p.train(x, t, np.arange(steps) % 1000, 1, 0, np.zeros(steps))

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
"""


def run(script: str) -> str:
    """What a script prints in a process of its own, which may hang or be killed."""
    source = str(Path(byhand.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", SETTING + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.strip()


def test_ctrl_c_interrupts_a_call_that_would_take_minutes() -> None:
    script = """
    threading.Timer(0.3, ctrl_c).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print("interrupted", p.evaluate(x, t).accuracy is not None, len(train(3)))
    """
    assert run(script) == "interrupted True 3"


def test_ctrl_c_is_heard_during_an_evaluation() -> None:
    """Each time that it is pressed, and not only once at the end; the third time interrupts."""
    script = """
    model = mlp([784, 1000, 1000, 10]).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native", threads=1)
    x, t = np.ones((20_000, 784), np.float32), np.zeros(20_000, np.int64)
    p.evaluate(x[:10], t[:10])
    heard = []

    def handler(number, frame):
        heard.append(number)
        if len(heard) == 3:
            raise KeyboardInterrupt

    def press():
        for k in range(3):
            ctrl_c()
            while len(heard) == k:
                time.sleep(0.001)

    signal.signal(signal.SIGINT, handler)
    threading.Timer(0.3, press).start()
    try:
        p.evaluate(x, t)
    except KeyboardInterrupt:
        print("interrupted", p.evaluate(x[:10], t[:10]).accuracy is not None)
    """
    assert run(script) == "interrupted True"


def test_other_threads_run_during_a_call() -> None:
    """The one that ends it counts to a hundred first, and has to be let in for every number."""
    script = """
    counted = []

    def count():
        time.sleep(0.3)
        for k in range(100):
            counted.append(k)
            time.sleep(0.0001)
        ctrl_c()

    threading.Thread(target=count).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print(len(counted))
    """
    assert run(script) == "100"


def test_a_signal_handler_may_ask_the_program_itself() -> None:
    """It runs in the middle of a call, in the thread that made the call."""
    script = """
    def handler(number, frame):
        print(len(p.parameters()), len(p.gradients(x, t, 0)[1]), np.isfinite(p.predict(x)).all())
        p.set_parameters(p.parameters())
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    threading.Timer(0.3, ctrl_c).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert run(script) == "4 4 True\ninterrupted"


def test_another_thread_may_ask_a_program_that_is_training() -> None:
    """It waits for its turn, and does not keep the training from its own."""
    script = """
    trained = threading.Thread(target=train, args=(20_000,))
    trained.start()
    time.sleep(0.05)
    print(len(p.parameters()), len(p.optimizer_state()), len(p.gradients(x, t)[1]))
    p.set_parameters(p.parameters())
    print(np.array_equal(p.predict(x), expected), len(p.activations(x)))
    trained.join()
    print("done")
    """
    assert run(script) == "4 0 4\nTrue 4\ndone"


def test_a_child_process_computes_on_its_own() -> None:
    """After a fork the other threads are in the parent only."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    script = """
    model = mlp([784, 300, 200, 10]).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native", threads=2)
    expected = p.predict(x)
    child = os.fork()
    if child == 0:
        same = np.array_equal(p.predict(x), expected)
        del p
        os._exit(0 if same else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(script) == "0"


def together(*calls: Callable[[], object]) -> None:
    """Make these calls so many times, each in a thread of its own."""
    errors: list[BaseException] = []

    def again(call: Callable[[], object]) -> None:
        try:
            for _ in range(TIMES):
                call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=again, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_threads_ask_the_same_program() -> None:
    """Neither is given what the other asked for."""
    p = program(sizes=(6, 50, 3))
    cases = [(X, T), (10 * X.reshape(EXAMPLES, 6), T), (X[:7], T[:7])]
    expected = [(p.gradients(*case), p.evaluate(*case), p.activations(case[0])) for case in cases]

    def ask(k: int) -> None:
        objective, gradients = p.gradients(*cases[k])
        assert objective == expected[k][0][0]
        assert_same(gradients, expected[k][0][1])
        assert p.evaluate(*cases[k]) == expected[k][1]
        assert_same(p.activations(cases[k][0]), expected[k][2])

    together(*(lambda k=k: ask(k) for k in range(len(cases))))


def test_two_threads_train_the_same_program() -> None:
    """No step is lost. With one weight and no error but in its bias, each moves it by the same."""
    p = engines.compile(
        Sequential(Flatten(), Dense(1, 1)).initialize(0),
        BinaryCrossEntropyWithLogits(),
        SGD(1.0),
        engine="native",
    )
    p.set_parameters({"dense1.W": np.zeros((1, 1)), "dense1.b": np.full(1, 1e6)})
    shapes = [(1,), (1, 1), ()]

    def step(shape: tuple[int, ...]) -> None:
        p.train(np.zeros((1, *shape)), np.zeros((1, 1)), np.arange(1), 1, 0, [1.0])

    together(*(lambda shape=shape: step(shape) for shape in shapes))
    assert p.parameters()["dense1.b"].item() == 1e6 - TIMES * len(shapes)


def test_what_another_thread_does_to_an_order_in_use() -> None:
    """Labels and order are where C++ writes and reads: they are its own copies."""
    script = """
    steps = 20_000
    order, labels = np.arange(steps) % 1000, t.copy()

    def spoil():
        time.sleep(0.05)
        order[:], labels[:] = 10**12, 10**12

    threading.Thread(target=spoil).start()
    print(len(p.train(x, labels, order, 1, 0, np.zeros(steps))))
    """
    assert run(script) == "20000"


# Where there is no extension


def test_native_is_there() -> None:
    assert engines.available("native") is None
    assert engines.available("numpy") is None


def refused(expected: str) -> None:
    assert engines.available("native") == expected
    assert engines.available("numpy") is None
    with pytest.raises(InputError) as error:
        engines.compile(mlp([3, 2]).initialize(0), QuadraticCost(), SGD(0.1), engine="native")
    assert str(error.value) == expected
    engines.compile(mlp([3, 2]).initialize(0), QuadraticCost(), SGD(0.1), engine="numpy")


def test_an_extension_that_was_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "byhand.engines._native", None)
    refused(
        "the native engine was not built when byhand was installed: put a C++20 compiler "
        "(g++ or clang++) on the PATH and install byhand again; with pip's --verbose it says "
        "what fails, and engine numpy runs without"
    )


@pytest.mark.parametrize(
    "why",
    [
        "libstdc++.so.6: version `GLIBCXX_3.4.30' not found",
        "it was compiled for a processor with AVX-512, which this one lacks",
    ],
)
def test_an_extension_that_cannot_be_loaded(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """Finds the extension, as it is, and fails to load it."""

        def find_spec(self, name: str, *rest: object) -> None:
            if name == "byhand.engines._native":
                raise ImportError(why)

    monkeypatch.delitem(sys.modules, "byhand.engines._native")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    refused(
        f"the native engine cannot be loaded: {why}; install byhand again on this machine, "
        f"or use engine numpy"
    )
