"""What the native engine knows and refuses, and what it says where it is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.clipping import ClipByValue, Clipping
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.layers import Dense, Flatten, Layer, Sequential, Softmax
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    Loss,
    QuadraticCost,
)
from byhand.models import mlp
from byhand.optimizers import SGD, Optimizer
from byhand.regularizers import L2, Regularizer

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

from byhand.engines.native import TWINS

from .native_programs import EXAMPLES, ORDER, T, X, assert_same, everything, go_on, of, program

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
