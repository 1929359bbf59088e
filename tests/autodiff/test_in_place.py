"""Writes in place and views: the numbers are NumPy's, whatever aliases what, and the gradients are
what finite differences measure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import byhand
from byhand import autodiff
from byhand.finite_differences import numerical_gradient

W = np.random.default_rng(5).standard_normal((3, 4))


def assign_row(x: Any) -> Any:
    h = np.zeros((4, 3))
    h[1] = x[0]
    h[-1] = 2 * x[1]
    h[2, 1:] = x[0, :2] * x[1, 1:]
    return h


def add_to_row(x: Any) -> Any:
    h = np.ones((2, 3))
    h[0] += x[0]
    h[0] *= x[1]
    h[:, 1] -= x[:, 0]
    h /= 1 + x**2
    h **= 2
    return h


def write_through_a_row(x: Any) -> Any:
    h = np.zeros((2, 3))
    row = h[1]
    row += x[0]
    row[2] = x[1, 2] ** 2
    return h * x


def read_after_the_write(x: Any) -> Any:
    h = np.zeros((2, 3))
    row = h[0]
    h[0] = x[1]
    h *= 3
    return row * x[0]


def view_of_a_view(x: Any) -> Any:
    h = np.zeros((2, 3, 2))
    part = h[1].T[::-1]
    part[0] = x[0]
    part[1, 1:] *= 2
    part[1] += x[1] ** 2
    h[0] = part.T * 2
    return h


def reshape_is_a_view(x: Any) -> Any:
    h = np.zeros((2, 3))
    flat = h.reshape(-1)
    flat[1:5] = x[:, :2].ravel()
    h.ravel()[0] = x[1, 2]
    return h * h


def reshape_of_a_transpose_is_a_copy(x: Any) -> Any:
    h = np.ones((2, 3))
    flat = h.T.reshape(-1)
    flat += 5
    h += x
    return h * flat[0]


def fancy_is_a_copy(x: Any) -> Any:
    h = np.zeros((3, 3)) + x[0]
    rows = h[[0, 2]]
    rows *= 5
    h[[0, 1]] = x
    h[h > 0.5] = x[1, 1]
    return h + rows.sum()


def last_of_two_writes_stays(x: Any) -> Any:
    h = np.zeros(4)
    h[[1, 1, 2]] = x[0]
    return h


def repeated_indices(x: Any) -> Any:
    h = np.zeros((4, 3))
    np.add.at(h, [1, 3, 1], x[[0, 1, 1]])
    np.subtract.at(h, (np.array([0, 0]), np.array([2, 2])), x[:, 0])
    return h


def with_out(x: Any) -> Any:
    c = np.empty((2, 3))
    np.multiply(x, x, out=c)
    np.add(c, x[0], c)
    np.exp(c, out=c)
    np.sum(c, axis=0, out=c[1])
    return c


def overlapping(x: Any) -> Any:
    h = x.copy()
    h[:, 1:] = h[:, :-1]
    return h * x


def scalars_are_immutable(x: Any) -> Any:
    total = x[0, 0]
    before = total
    total += x[0, 1]
    total *= 2
    return total * before + x.sum()


def zero_dimensional_arrays_are_not(x: Any) -> Any:
    total = np.zeros(())
    same = total
    total += x[0, 1] ** 2
    return same * 3 + total


def names_for_one_array(x: Any) -> Any:
    a = np.zeros(3)
    b = a
    b += x[0]
    a[1] = x[1, 1]
    return a * b


def argument_in_place(x: Any) -> Any:
    x -= x.max(axis=1, keepdims=True)
    x[0, 0] = 2 * x[0, 1]
    return np.exp(x)


def copies(x: Any) -> Any:
    a = np.zeros(3) + x[0]
    kept = [np.copy(a), a.copy(), np.array(a), copy.deepcopy(a), a.flatten(), a[:].copy()]
    a *= 0
    return sum(kept) + np.asarray(a)


def fills(x: Any) -> Any:
    a, b = np.empty((2, 3)), np.empty_like(x)
    a.fill(2.0)
    np.copyto(b, x)
    a[:] = a * b
    c, d = np.zeros_like(x), np.full_like(x, 3.0)
    c[...] = d - np.ones_like(x)
    np.copyto(c, x[0], where=x > 0)
    return a + c


def pieces(x: Any) -> Any:
    h = np.zeros((2, 6))
    left, right = np.split(h, 2, axis=1)
    left += x
    right[...] = left * x
    return h


def flat_of_anything(x: Any) -> Any:
    h = np.zeros((3, 2))
    h.T.flat[1] = x[0, 0]
    h.T.flat[3:5] = x[1, :2]
    return h * np.clip(h, -0.5, 0.5, out=h)


def memory_keeps_its_layout(x: Any) -> Any:
    t = x.T * 2  # laid out by columns, as x.T is
    np.add(t, np.ones((3, 2)), out=t)
    flat = t.reshape(-1)  # therefore a copy
    flat += 5
    rows = np.ascontiguousarray(t)
    rows *= 3
    return t * flat.sum() + rows


def casts_and_broadcasts_into_out(x: Any) -> Any:
    h = np.zeros((2, 3), dtype=np.float64)
    np.multiply(x[0], 2, out=h)
    np.exp(x, out=h, where=x > 0)
    h[0] = [x[0, 0], 1.5, x[1, 1]]
    h[1] = x[None, 1]
    return h


def states_in_a_dictionary(x: Any) -> Any:
    hs = {-1: np.copy(x[0])}
    for t in range(3):
        hs[t] = np.tanh(hs[t - 1] * x[1] + t)
    return sum(hs[t].sum() for t in range(3))


def states_in_an_array(x: Any) -> Any:
    hs = np.zeros((4, 3))
    for t in range(3):
        hs[t + 1] = np.tanh(x[t % 2] + hs[t] @ W[:, :3])
    return hs[1:]


def sorted_in_place(x: Any) -> Any:
    a = x.copy()
    a.sort(axis=1)
    return a * np.arange(3.0)


def lists_of_states(x: Any) -> Any:
    outs = []
    for row in x:
        outs.append(np.dot(row, W))
    return np.array(outs) * np.stack(outs)[::-1]


def numbers_in_an_array(x: Any) -> Any:
    losses = np.zeros(2)
    for i in range(len(x)):
        losses[i] = -np.log(np.exp(x[i])[0] / np.sum(np.exp(x[i])))
    return np.mean(losses)


PROGRAMS = [
    assign_row, add_to_row, write_through_a_row, read_after_the_write, view_of_a_view,
    reshape_is_a_view, reshape_of_a_transpose_is_a_copy, fancy_is_a_copy,
    last_of_two_writes_stays, repeated_indices, with_out, overlapping, scalars_are_immutable,
    zero_dimensional_arrays_are_not, names_for_one_array, argument_in_place, copies, fills, pieces,
    flat_of_anything, memory_keeps_its_layout, casts_and_broadcasts_into_out,
    states_in_a_dictionary, states_in_an_array, sorted_in_place, lists_of_states,
    numbers_in_an_array,
]  # fmt: skip


def compare(program: Callable[[Any], Any], x: np.ndarray) -> None:
    plain = np.asarray(program(x.copy()))
    cotangent = np.random.default_rng(3).standard_normal(plain.shape)
    v = autodiff.Variable(x)
    start = v.node
    with autodiff.recording():
        y = program(v)
    np.testing.assert_allclose(y.value, plain, rtol=1e-13, atol=1e-13)
    measured = numerical_gradient(lambda: float(np.sum(program(x.copy()) * cotangent)), x)
    found = autodiff.gradients(y, cotangent)[start]
    np.testing.assert_allclose(found, measured, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_that_writes_in_place(program: Callable[[Any], Any]) -> None:
    compare(program, np.random.default_rng(11).uniform(-1, 1, (2, 3)))


# ----------------------------------------------------------------- programs drawn at random

KEYS = [0, -1, slice(1, None), slice(None, None, -1), (slice(None), 1), [0, 1], (..., slice(0, 2))]
VIEWS: list[Callable[[Any], Any]] = [
    lambda a: a.T,
    lambda a: a.reshape(-1),
    lambda a: a[0],
    lambda a: a[..., ::-1],
    lambda a: a[1:],
    lambda a: a.ravel(),
    lambda a: a.swapaxes(0, -1),
    lambda a: a[[0]],
    np.copy,
    np.flip,
    np.squeeze,
    lambda a: np.expand_dims(a, 0),
]
WRITES: list[Callable[[Any, Any, Any], Any]] = [
    lambda a, key, b: a.__setitem__(key, b),
    lambda a, key, b: a.__setitem__(key, a[key] * b),
    lambda a, key, b: a.__iadd__(b),
    lambda a, key, b: a.__imul__(b + 2),
    lambda a, key, b: np.subtract(a, b * a, out=a),
]
step = st.one_of(
    st.tuples(st.just("look"), st.integers(0, 9), st.integers(0, len(VIEWS) - 1)),
    st.tuples(
        st.just("write"), st.integers(0, 9), st.integers(0, len(WRITES) - 1),
        st.integers(0, len(KEYS) - 1), st.integers(0, 9),
    ),
)  # fmt: skip


def run(steps: list[Any], x: Any) -> Any:
    """Each step looks into one of the arrays so far, or writes a number of one into another."""
    arrays = [np.zeros((3, 2)), x * 1.5, np.ones((2, 3))]
    for kind, which, what, *rest in steps:
        a = arrays[which % len(arrays)]
        if not a.shape or 0 in a.shape:
            continue
        if kind == "look":
            if a.shape[0] > 1:
                arrays.append(VIEWS[what](a))
            continue
        key, source = KEYS[rest[0]], arrays[rest[1] % len(arrays)]
        number = np.sin(source.sum())
        try:
            np.ones(a.shape)[key]
        except IndexError:
            key = 0
        WRITES[what](a, key, number)
    return sum((k + 1) * np.sum(a * a) for k, a in enumerate(arrays))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=3, max_size=9))
def test_a_program_drawn_at_random_has_numpys_aliasing(steps: list[Any]) -> None:
    x = np.random.default_rng(2).uniform(-1, 1, (2, 3))
    plain = run(steps, x.copy())
    value, gradient = byhand.value_and_grad(lambda x: run(steps, x))(x)
    assert value == pytest.approx(plain, rel=1e-10)
    direction = np.random.default_rng(4).standard_normal(x.shape)
    h = 1e-6
    slope = (run(steps, x + h * direction) - run(steps, x - h * direction)) / (2 * h)
    scale = max(abs(plain), abs(slope), 1.0)
    assert abs(np.sum(gradient * direction) - slope) < 1e-5 * scale


def test_the_gradient_with_respect_to_a_view_counts_all_later_uses() -> None:
    h = autodiff.Variable(np.ones((2, 3)))
    row = h[0]
    row += 1.0
    written = row.node
    y = np.sum(h * 3) + np.sum(row)
    np.testing.assert_array_equal(autodiff.gradients(y)[written], [4, 4, 4])


def test_what_the_caller_passes_is_left_alone() -> None:
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        x *= 3
        return np.sum(x**2)

    np.testing.assert_array_equal(byhand.grad(f)(x), [18, 36])
    np.testing.assert_array_equal(x, [1, 2])


def test_a_float32_buffer_stays_float32() -> None:
    x = autodiff.Variable(np.array([1.0, 2.0]))
    with autodiff.recording():
        buffer = np.zeros(2, np.float32)
        buffer += x
        buffer[0] *= x[1]
    assert buffer.dtype == np.float32
    assert autodiff.gradients(buffer)[x].tolist() == [2.0, 2.0]


def test_a_constant_can_be_stored_in_a_plain_array() -> None:
    plain = np.zeros(2)
    with autodiff.recording():
        np.add(np.ones(2), 1, out=plain)
    assert plain.tolist() == [2, 2]


def test_a_shape_that_does_not_fit_is_numpys_error() -> None:
    v = autodiff.Variable(np.ones(3))
    with pytest.raises(ValueError, match="non-broadcastable output operand"):
        v += np.ones((2, 3))
    with pytest.raises(ValueError, match="could not broadcast input array"):
        v[:2] = np.ones(3)
    with pytest.raises(ValueError, match="array split does not result in an equal division"):
        np.split(v, 2)
    with pytest.raises(IndexError, match="out of bounds"):
        v[3]
