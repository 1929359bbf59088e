"""Nodes and the reverse pass: any value can be asked about, or started from."""

from __future__ import annotations

import numpy as np
import pytest

from byhand import autodiff
from byhand.autodiff import Variable, gradients, recording
from byhand.errors import ShapeError

rng = np.random.default_rng(0)


def test_the_gradient_of_every_value_in_between() -> None:
    x, w = Variable(rng.standard_normal((4, 3))), Variable(rng.standard_normal((3, 2)))
    z = x @ w
    a = np.tanh(z)
    y = np.sum(a**2)
    found = gradients(y)
    np.testing.assert_allclose(found[a], 2 * a.value)
    np.testing.assert_allclose(found[z.node], 2 * a.value * (1 - a.value**2))
    np.testing.assert_allclose(found[w], x.value.T @ found[z])
    np.testing.assert_allclose(found[x], found[z] @ w.value.T)
    assert found[y] == 1.0
    assert a in found
    assert len(found) == len(list(found)) == 6


def test_start_anywhere_with_any_cotangent() -> None:
    x = Variable(rng.standard_normal((2, 3)))
    z = np.sin(x)
    y = np.exp(z)
    cotangent = rng.standard_normal((2, 3))
    np.testing.assert_allclose(gradients(z.node, cotangent)[x], np.cos(x.value) * cotangent)
    np.testing.assert_array_equal(gradients(z)[y], np.zeros((2, 3)))
    assert y not in gradients(z)


def test_a_cotangent_of_another_shape() -> None:
    y = np.exp(Variable(np.ones((2, 3))))
    with pytest.raises(ShapeError) as caught:
        gradients(y, np.ones(3))
    assert str(caught.value) == (
        "the cotangent needs the output's shape (2, 3), found (3,); "
        "give one number for each element of the output"
    )


def test_what_a_node_knows() -> None:
    x = Variable(np.ones((2, 3)))
    y = x.T @ np.ones(2)
    assert y.node.operation == "matmul"
    (parent,) = y.node.parents
    assert parent.operation == "transpose"
    assert parent.parents == (x.node,)
    assert x.node.order < parent.order < y.node.order
    assert x.node.operation == "leaf"
    np.testing.assert_array_equal(y.node.value, [2, 2, 2])


def test_a_node_is_what_the_variable_held_then() -> None:
    h = Variable(np.ones(3))
    before = h.node
    h[0] = 5.0
    assert h.node is not before
    np.testing.assert_array_equal(before.value, [1, 1, 1])
    np.testing.assert_array_equal(gradients(np.sum(h**2))[before], [0, 2, 2])


def test_traced_is_what_depends_on_an_input() -> None:
    x = Variable(np.ones(3))
    with recording():
        constant = np.zeros(3) + np.ones(3)
        assert not constant.node.traced
        assert (constant * x).node.traced
        constant[0] = x[0]
        assert constant.node.traced
    assert not Variable(np.ones(3), traced=False).node.traced


def test_a_constant_inside_has_a_gradient_too() -> None:
    x = Variable(np.full((2, 3), 2.0))
    with recording():
        b = np.zeros(3)
        y = np.sum((x + b) ** 2)
    np.testing.assert_array_equal(gradients(y)[b], [8, 8, 8])


def test_a_gradient_asked_for_is_ones_own() -> None:
    x = Variable(np.ones(3))
    found = gradients(np.sum(x))
    found[x][:] = 9
    np.testing.assert_array_equal(found[x], [1, 1, 1])


def test_one_value_used_many_times() -> None:
    x = Variable(np.array(3.0))
    y = x
    for _ in range(20):
        y = y + y
    assert gradients(y)[x] == 2.0**20


def test_a_long_loop() -> None:
    x = Variable(np.array(1.0))
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    assert gradients(y)[x] == pytest.approx(1.0001**20_000)


def test_at_a_kink_the_middle_is_taken() -> None:
    x, z = Variable(np.array([0.0, 2.0])), Variable(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(gradients(np.abs(x))[x], [0, 1])
    np.testing.assert_array_equal(gradients(np.maximum(x, z))[x], [0.5, 1])
    np.testing.assert_array_equal(gradients(np.minimum(x, z))[z], [0.5, 1])
    ties = Variable(np.array([3.0, 1.0, 3.0]))
    np.testing.assert_array_equal(gradients(ties.max())[ties], [0.5, 0, 0.5])
    zero = Variable(np.zeros(3))
    np.testing.assert_array_equal(gradients(np.linalg.norm(zero))[zero], [0, 0, 0])


def test_an_infinite_derivative_is_not_hidden_and_warns_of_nothing() -> None:
    x = Variable(np.array([0.0, 4.0]))
    assert gradients(np.sqrt(x))[x].tolist() == [np.inf, 0.25]
    assert np.isnan(gradients(np.sqrt(x) * np.array([0.0, 1.0]))[x][0])


def test_names_of_the_room() -> None:
    for name in autodiff.__all__:
        assert getattr(autodiff, name).__module__.startswith("byhand.autodiff")
