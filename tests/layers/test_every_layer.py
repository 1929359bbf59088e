"""What holds for every layer that byhand.layers exports, including the ones still to be written."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

import numpy as np
import pytest

import byhand.layers
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Layer

from .examples import LAYERS, PARTS, Example, examples

every_layer = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
FOUR_SHAPES = range(4)


def cotangent(y: Any, seed: int = 0) -> Any:
    """A random ∂L/∂y, for the scalar L = Σ y c."""
    return np.random.default_rng([seed, 2]).standard_normal(y.shape).astype(y.dtype)


def arrays_of(example: Example) -> list[Any]:
    masks = [list(more.values()) if isinstance(more, dict) else [more] for more in example.more]
    given = [m for m in chain.from_iterable(masks) if isinstance(m, np.ndarray)]
    return [example.x, *given, *example.layer.parameters.values()]


def trained(layer: Layer) -> dict[str, Any]:
    """The parameters that have a gradient."""
    return {s: w for s, w in layer.parameters.items() if s not in layer.statistics}


def test_the_list_of_layers_is_not_empty() -> None:
    assert {"Dense", "Sigmoid", "Sequential"} <= {kind.__name__ for kind in LAYERS}


def test_a_layer_without_an_example_is_asked_for_one() -> None:
    class Unknown(Layer):
        pass

    with pytest.raises(AssertionError) as error:
        examples(Unknown, 0, np.float64)
    assert str(error.value) == "Unknown has no example: add one to tests/layers/examples.py"


BASES = {"FeatureNorm", "MemoryLayer", "MultiHead", "Pooling", "Positions", "Recurrence"}


def test_every_layer_written_is_exported() -> None:
    written = {c for c in Layer.__subclasses__() if c.__module__.startswith("byhand.layers.")}
    waiting = {c.__name__ for c in PARTS}
    assert {c.__name__ for c in written} - BASES - waiting <= set(byhand.layers.__all__)
    assert not waiting & set(byhand.layers.__all__)


@every_layer
@pytest.mark.parametrize("seed", FOUR_SHAPES)
def test_derivatives_agree_with_central_differences(kind: type[Layer], seed: int) -> None:
    for example in examples(kind, seed, np.float64):
        layer, x = example.layer, example.x
        y, cache = layer.forward(x, *example.more)
        c = cotangent(y, seed)
        dx, gradients = layer.backward(c, cache)

        def objective(e: Example = example, c: Any = c) -> float:
            return float(np.sum(e.layer.forward(e.x, *e.more)[0] * c))

        assert dx.shape == x.shape
        if x.dtype.kind == "i":
            assert not dx.any()
        else:
            assert relative_error(dx, numerical_gradient(objective, x)) < 1e-7
        assert gradients.keys() == trained(layer).keys()
        for symbol, w in trained(layer).items():
            assert gradients[symbol].shape == w.shape
            error = relative_error(gradients[symbol], numerical_gradient(objective, w))
            assert error < 1e-7, f"d{symbol} is off by {error}"


@every_layer
def test_float32_stays_float32_and_says_the_same(kind: type[Layer]) -> None:
    for single, double in zip(
        examples(kind, 0, np.float32), examples(kind, 0, np.float64), strict=True
    ):
        y, cache = single.layer.forward(single.x, *single.more)
        dx, gradients = single.layer.backward(cotangent(y), cache)
        assert {a.dtype for a in [y, dx, *gradients.values()]} == {np.dtype(np.float32)}
        exact, cache = double.layer.forward(double.x, *double.more)
        exact_dx, exact_gradients = double.layer.backward(cotangent(exact), cache)
        np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dx, exact_dx, rtol=1e-4, atol=1e-5)
        for symbol, gradient in gradients.items():
            np.testing.assert_allclose(gradient, exact_gradients[symbol], rtol=1e-4, atol=1e-5)


@every_layer
def test_forward_and_backward_are_pure(kind: type[Layer]) -> None:
    for example in examples(kind, 0, np.float64):
        layer = example.layer
        before = copy.deepcopy(arrays_of(example))
        for array in arrays_of(example):
            array.flags.writeable = False
        y, cache = layer.forward(example.x, *example.more)
        dy = cotangent(y)
        dx, gradients = layer.backward(dy, cache)
        first = copy.deepcopy([y, dx, *gradients.values()])

        again, other_cache = layer.forward(example.x, *example.more)
        layer.backward(dy + 1, other_cache)
        again_dx, again_gradients = layer.backward(dy, cache)

        second = [again, again_dx, *again_gradients.values()]
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(before, arrays_of(example), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(dy, cotangent(y))


@every_layer
@pytest.mark.parametrize("seed", FOUR_SHAPES)
def test_shapes_are_as_declared(kind: type[Layer], seed: int) -> None:
    """The first symbol of `axes` is the input, the last the output, between them the parameters."""
    for example in examples(kind, seed, np.float64):
        layer = example.layer
        y, _ = layer.forward(example.x, *example.more)
        assert layer.output_shape(example.x.shape[1:]) == y.shape[1:]
        symbols = list(layer.axes)
        arrays = {symbols[0]: example.x, symbols[-1]: y}
        arrays |= {s: getattr(layer, s) for s in layer.parameter_names}
        sizes: dict[str, int] = {}
        for symbol, array in arrays.items():
            axes = layer.axes[symbol]
            if "..." in axes:
                # Of what stands on either side only, as many axes as the array has.
                first = axes.index("...")
                last = len(axes) - first - 1
                ends = (*array.shape[:first], *array.shape[array.ndim - last :])
                axes = (*axes[:first], *axes[first + 1 :])
                pairs = zip(axes, ends, strict=True)
            else:
                pairs = zip(axes, array.shape, strict=True)
            for axis, size in pairs:
                assert sizes.setdefault(axis, size) == size, f"{symbol} has another {axis}"
        assert set(layer.weights) <= set(layer.parameter_names)
        assert set(layer.statistics) <= set(layer.parameter_names)


@every_layer
def test_the_docstring_states_the_equation_and_the_derivative(kind: type[Layer]) -> None:
    assert kind.__doc__ is not None
    left_side = kind.equation.split(" ")[0]
    assert kind.__doc__.startswith(left_side)
    assert "\n    Derivative" in kind.__doc__
