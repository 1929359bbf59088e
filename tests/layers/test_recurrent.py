"""What holds for every recurrent layer, and for its cell."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Sequential, Tanh

from .peer import assert_same
from .recurrent import (
    KINDS,
    Kind,
    as_state,
    as_tensors,
    drawn,
    gradients_in_pytorch,
    in_pytorch,
)

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
PADDED = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]])


@every_kind
@pytest.mark.parametrize(
    ("batch", "time", "n_in", "hidden", "mask"),
    [
        (3, 4, 5, 2, None),
        (1, 1, 3, 4, None),
        (2, 3, 1, 1, None),
        (3, 5, 2, 3, PADDED),
    ],
)
def test_derivatives_agree_with_central_differences(
    kind: Kind, batch: int, time: int, n_in: int, hidden: int, mask: Any
) -> None:
    """Of a loss that depends on every output and on the final state."""
    layer = kind.make(n_in, hidden)
    x, state = drawn(layer, batch, time)
    rng = np.random.default_rng(1)
    dh = rng.standard_normal((batch, time, hidden))
    dfinal = rng.standard_normal(state.shape)

    def loss() -> float:
        h, cache = layer.forward(x, state, mask)
        return float((dh * h).sum() + (dfinal * layer.final_state(cache)).sum())

    _, cache = layer.forward(x, state, mask)
    dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)
    assert gradients.keys() == layer.parameters.keys()
    for value, gradient in [
        (x, dx),
        (state, dstate),
        *((layer.parameters[symbol], gradients[symbol]) for symbol in gradients),
    ]:
        assert relative_error(gradient, numerical_gradient(loss, value)) < 1e-7


@every_kind
@pytest.mark.parametrize("batch", [1, 3])
def test_a_cells_derivatives_agree_with_central_differences(kind: Kind, batch: int) -> None:
    layer = kind.make(4, 3)
    cell = kind.cell_of(layer)
    x, state = drawn(layer, batch, 1)
    x = x[:, 0]
    new, cache = cell.forward(x, state)
    dnew = np.random.default_rng(1).standard_normal(new.shape)
    dx, dstate, gradients = cell.backward(dnew, cache)

    def loss() -> float:
        return float((dnew * cell.forward(x, state)[0]).sum())

    assert gradients.keys() == cell.parameters.keys()
    for value, gradient in [
        (x, dx),
        (state, dstate),
        *((cell.parameters[symbol], gradients[symbol]) for symbol in gradients),
    ]:
        assert relative_error(gradient, numerical_gradient(loss, value)) < 1e-7


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "GRU before"], ids=str)
@settings(max_examples=12, deadline=None)
@given(
    batch=st.integers(1, 4),
    time=st.integers(1, 6),
    n_in=st.integers(1, 5),
    hidden=st.integers(1, 5),
)
def test_outputs_states_and_gradients_are_pytorchs(
    kind: Kind, batch: int, time: int, n_in: int, hidden: int
) -> None:
    layer = kind.make(n_in, hidden, [n_in, hidden])
    x, state = drawn(layer, batch, time)
    rng = np.random.default_rng(1)
    dh, dfinal = rng.standard_normal((batch, time, hidden)), rng.standard_normal(state.shape)
    h, cache = layer.forward(x, state)
    dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)

    module = in_pytorch(layer)
    their_x = torch.tensor(x, requires_grad=True)
    leaf, taken = as_tensors(module, state)
    theirs, last = module(their_x, taken)
    final = as_state(module, last)
    ((theirs * torch.tensor(dh)).sum() + (final * torch.tensor(dfinal)).sum()).backward()
    assert_same(h, theirs.detach())
    assert_same(layer.final_state(cache), final.detach())
    assert_same(dx, their_x.grad)
    assert_same(dstate, leaf.grad)
    their_gradients = gradients_in_pytorch(module)
    assert gradients.keys() == their_gradients.keys()
    for symbol, gradient in gradients.items():
        assert_same(gradient, their_gradients[symbol])


@every_kind
def test_the_layer_is_its_cell_step_by_step(kind: Kind) -> None:
    layer = kind.make(3, 4)
    cell = kind.cell_of(layer)
    x, state = drawn(layer, 2, 5)
    h, cache = layer.forward(x, state)
    caches = []
    for t in range(5):
        state, kept = cell.forward(x[:, t], state)
        caches.append(kept)
        assert_same(h[:, t], cell.output_of(state))
    assert_same(layer.final_state(cache), state)

    dh = np.random.default_rng(1).standard_normal(h.shape)
    dx, dfirst, gradients = layer.backward_with_state(dh, None, cache)
    dstate, sums = np.zeros_like(state), {s: np.zeros_like(w) for s, w in layer.parameters.items()}
    for t in reversed(range(5)):
        cell.output_of(dstate)[...] += dh[:, t]
        dx_t, dstate, own = cell.backward(dstate, caches[t])
        assert_same(dx[:, t], dx_t)
        for symbol, gradient in own.items():
            sums[symbol] += gradient
    assert_same(dfirst, dstate)
    for symbol, total in sums.items():
        assert_same(gradients[symbol], total)


@every_kind
def test_without_a_state_it_starts_from_zeros(kind: Kind) -> None:
    layer = kind.make(3, 4)
    x, state = drawn(layer, 2, 3)
    assert_same(layer.forward(x)[0], layer.forward(x, np.zeros_like(state))[0])
    h, cache = layer.forward(x)
    dx, gradients = layer.backward(h, cache)
    same_dx, _, same = layer.backward_with_state(h, np.zeros_like(state), cache)
    assert_same(dx, same_dx)
    for symbol, gradient in gradients.items():
        assert_same(gradient, same[symbol])


@every_kind
def test_what_the_padding_holds_has_no_effect(kind: Kind) -> None:
    """Neither in x nor in dh, be it infinite or no number."""
    layer = kind.make(2, 3)
    x, state = drawn(layer, 3, 5)
    dh = np.random.default_rng(1).standard_normal((3, 5, 3))
    dfinal = np.ones_like(state)
    results = []
    for content in (0.0, 1e3, np.inf, np.nan):
        x[PADDED == 0] = content
        dh[PADDED == 0] = content
        h, cache = layer.forward(x, state, PADDED)
        dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)
        results.append([h, layer.final_state(cache), dx, dstate, *gradients.values()])
        assert not h[PADDED == 0].any()
        assert not dx[PADDED == 0].any()
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@every_kind
@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_padded_sequences_are_what_each_is_alone(kind: Kind, dtype: Any) -> None:
    layer = kind.make(2, 3)
    x, state = drawn(layer, 3, 5)
    rng = np.random.default_rng(1)
    dh, dfinal = rng.standard_normal((3, 5, 3)), rng.standard_normal(state.shape)
    h, cache = layer.forward(x, state, PADDED.astype(dtype))
    dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)
    sums = {symbol: np.zeros_like(value) for symbol, value in gradients.items()}
    for n, steps in enumerate(PADDED == 1):
        own = (..., slice(n, n + 1), slice(None))
        alone, own_cache = layer.forward(x[n : n + 1, steps], state[own])
        own_dx, own_dstate, own_gradients = layer.backward_with_state(
            dh[n : n + 1, steps], dfinal[own], own_cache
        )
        assert_same(h[n : n + 1, steps], alone)
        assert_same(layer.final_state(cache)[own], layer.final_state(own_cache))
        assert_same(dx[n : n + 1, steps], own_dx)
        assert_same(dstate[own], own_dstate)
        for symbol, gradient in own_gradients.items():
            sums[symbol] += gradient
    for symbol, total in sums.items():
        assert_same(gradients[symbol], total)


@every_kind
def test_a_sequence_of_padding_alone(kind: Kind) -> None:
    layer = kind.make(2, 3)
    x, state = drawn(layer, 2, 4)
    h, cache = layer.forward(x, state, np.zeros((2, 4)))
    dfinal = np.random.default_rng(1).standard_normal(state.shape)
    dx, dstate, gradients = layer.backward_with_state(np.ones_like(h), dfinal, cache)
    np.testing.assert_array_equal(layer.final_state(cache), state)
    np.testing.assert_array_equal(dstate, dfinal)
    for zero in (h, dx, *gradients.values()):
        assert not zero.any()


@every_kind
def test_a_batch_of_no_sequences(kind: Kind) -> None:
    layer = kind.make(2, 3)
    h, cache = layer.forward(np.ones((0, 4, 2)))
    assert h.shape == (0, 4, 3)
    dx, gradients = layer.backward(h, cache)
    assert dx.shape == (0, 4, 2)
    for gradient in gradients.values():
        assert not gradient.any()


@every_kind
@pytest.mark.parametrize("mask", [None, PADDED], ids=["whole", "padded"])
def test_two_pieces_with_the_state_carried_are_one(kind: Kind, mask: Any) -> None:
    layer = kind.make(2, 4)
    x, state = drawn(layer, 3, 5)
    masks = (None, None) if mask is None else (mask[:, :2], mask[:, 2:])
    whole, cache = layer.forward(x, state, mask)
    first, first_cache = layer.forward(x[:, :2], state, masks[0])
    second, second_cache = layer.forward(x[:, 2:], layer.final_state(first_cache), masks[1])
    assert_same(np.concatenate((first, second), axis=1), whole)
    assert_same(layer.final_state(second_cache), layer.final_state(cache))

    # The gradient of the state carried back as the state was carried on: it is the whole, too.
    dh = np.random.default_rng(1).standard_normal(whole.shape)
    dx, dstate, gradients = layer.backward_with_state(dh, None, cache)
    dx_2, between, own_2 = layer.backward_with_state(dh[:, 2:], None, second_cache)
    dx_1, dfirst, own_1 = layer.backward_with_state(dh[:, :2], between, first_cache)
    assert_same(np.concatenate((dx_1, dx_2), axis=1), dx)
    assert_same(dfirst, dstate)
    for symbol, gradient in gradients.items():
        assert_same(own_1[symbol] + own_2[symbol], gradient)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "GRU before"], ids=str)
def test_truncated_backpropagation_is_pytorchs_with_the_state_detached(kind: Kind) -> None:
    """The last piece's gradients are those of the whole with all that was before as a constant."""
    layer = kind.make(3, 4)
    x, state = drawn(layer, 2, 7)
    dh = np.random.default_rng(1).standard_normal((2, 7, 4))
    pieces = [slice(0, 3), slice(3, 5), slice(5, 7)]
    module = in_pytorch(layer)
    _, carried = as_tensors(module, state)
    for piece in pieces:
        h, cache = layer.forward(x[:, piece], state)
        state = layer.final_state(cache)
        dx, gradients = layer.backward(dh[:, piece], cache)

        module.zero_grad()
        their_x = torch.tensor(x[:, piece], requires_grad=True)
        theirs, carried = module(their_x, carried)
        theirs.backward(torch.tensor(dh[:, piece]))
        carried = (
            tuple(part.detach() for part in carried)
            if isinstance(carried, tuple)
            else carried.detach()
        )
        assert_same(h, theirs.detach())
        assert_same(dx, their_x.grad)
        for symbol, gradient in gradients_in_pytorch(module).items():
            assert_same(gradients[symbol], gradient)


@every_kind
def test_stacked_they_are_a_sequential(kind: Kind) -> None:
    options: dict[str, Any] = kind.options
    model = Sequential(kind.layer(3, 5, **options), kind.layer(5, 4, **options), Tanh()).initialize(
        0
    )
    name = kind.layer.__name__.lower()
    assert [n for n in model.parameters if n.endswith("Wh")] == [f"{name}1.Wh", f"{name}2.Wh"]
    assert model.weight_names == {f"{name}{k}.{w}" for k in (1, 2) for w in ("Wx", "Wh")}
    x = np.random.default_rng(0).standard_normal((2, 6, 3))
    h, caches = model.forward(x)
    assert h.shape == (2, *model.output_shape((6, 3)))
    dh = np.random.default_rng(1).standard_normal(h.shape)
    dx, gradients = model.backward(dh, caches)
    assert gradients.keys() == model.parameters.keys()

    def loss() -> float:
        return float((dh * model.forward(x)[0]).sum())

    assert relative_error(dx, numerical_gradient(loss, x)) < 1e-7
    first = f"{name}1.Wh"
    measured = numerical_gradient(loss, model.parameters[first])
    assert relative_error(gradients[first], measured) < 1e-7

    changed = {n: value + 1 for n, value in model.parameters.items()}
    model.set_parameters(changed)
    assert model.parameters[first] is changed[first]


@every_kind
def test_float32_stays_float32_and_says_the_same(kind: Kind) -> None:
    answers = []
    for dtype in (np.float32, np.float64):
        layer = kind.make(3, 4, 0, dtype)
        x, state = drawn(layer, 3, 5)
        h, cache = layer.forward(x, state, PADDED)
        dx, dstate, gradients = layer.backward_with_state(np.ones_like(h), state, cache)
        answers.append([h, layer.final_state(cache), dx, dstate, *gradients.values()])
        assert {a.dtype for a in answers[-1]} == {np.dtype(dtype)}
        new, kept = kind.cell_of(layer).forward(x[:, 0], state)
        dx, dstate, gradients = kind.cell_of(layer).backward(new, kept)
        assert {a.dtype for a in (new, dx, dstate, *gradients.values())} == {np.dtype(dtype)}
    for single, double in zip(*answers, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5)


@every_kind
def test_forward_and_backward_are_pure(kind: Kind) -> None:
    layer = kind.make(3, 4)
    x, state = drawn(layer, 3, 5)
    dh, dfinal = np.ones((3, 5, 4)), np.ones_like(state)
    given_arrays = [x, state, dh, dfinal, *layer.parameters.values()]
    for array in given_arrays:
        array.flags.writeable = False
    h, cache = layer.forward(x, state, PADDED)
    dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)
    first = copy.deepcopy([h, layer.final_state(cache), dx, dstate, *gradients.values()])
    layer.backward_with_state(3 * dh, None, cache)
    layer.forward(x + 1)
    again, _ = layer.forward(x, state, PADDED)
    dx, dstate, gradients = layer.backward_with_state(dh, dfinal, cache)
    second = [again, layer.final_state(cache), dx, dstate, *gradients.values()]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@every_kind
def test_the_parameters_at_the_start(kind: Kind) -> None:
    layer = kind.layer(400, 60, **kind.options).initialize(np.random.default_rng(0))
    assert layer.Wx.shape == (400, layer.gates * 60)
    assert layer.Wx.std() == pytest.approx(1 / 20, rel=0.02)
    for block in np.split(layer.Wh, layer.gates, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(60), atol=1e-12)
    assert layer.weights == ("Wx", "Wh")
    biases = {s: w for s, w in layer.parameters.items() if s not in layer.weights}
    if kind.name == "LSTM":
        b = biases.pop("b").reshape(4, 60)
        assert b[1].tolist() == [1.0] * 60
        b[1] = 0
        assert not b.any()
    for bias in biases.values():
        assert not bias.any()


@every_kind
def test_axes_and_docstrings(kind: Kind) -> None:
    layer = kind.make(3, 4)
    x, state = drawn(layer, 2, 5)
    h, _ = layer.forward(x, state)
    new, _ = kind.cell_of(layer).forward(x[:, 0], state)
    for made, values in (
        (layer, {"x": x, "state": state, "h": h}),
        (kind.cell_of(layer), {"x": x[:, 0], "state": new}),
    ):
        sizes: dict[str, int] = {}
        assert list(made.axes)[-1] == list(values)[-1]
        for symbol, value in {**values, **layer.parameters}.items():
            for axis, size in zip(made.axes[symbol], value.shape, strict=True):
                assert sizes.setdefault(axis, size) == size, f"{symbol} has another {axis}"
        assert type(made).__doc__.startswith(made.equation.split(" ")[0])
        assert "\n    Derivatives" in type(made).__doc__
    assert layer.output_shape((5, 3)) == (5, 4)
    assert kind.cell_of(layer).output_shape((3,)) == (4,)
