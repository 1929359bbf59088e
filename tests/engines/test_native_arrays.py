"""What the native engine is given, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.layers import Dense, Flatten, ReLU, Sequential
from byhand.losses import (
    QuadraticCost,
)
from byhand.optimizers import SGD, Adam, AdamW, Momentum, Optimizer
from byhand.training import checkpoint
from byhand.training.checkpoint import Position

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

from .native_programs import (
    BOTH,
    EXAMPLES,
    ORDER,
    Array,
    T,
    X,
    assert_same,
    data,
    everything,
    go_on,
    of,
    program,
)

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
