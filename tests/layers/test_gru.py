from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.errors import InputError
from byhand.layers.gru import GRU
from byhand.layers.gru_cell import GRUCell

from .peer import assert_same, autograd
from .recurrent import KINDS, drawn

BEFORE = next(kind for kind in KINDS if kind.name == "GRU before")


def published(x: Any, h: Any, Wx: Any, Wh: Any, b: Any, bn: Any) -> torch.Tensor:
    """Cho et al. 2014, eqs. 5 to 8, with biases: each gate's own weights, step by step."""
    W_r, W_z, W_n = Wx.chunk(3, dim=1)
    U_r, U_z, U_n = Wh.chunk(3, dim=1)
    b_r, b_z, b_n = b.chunk(3)
    outputs = []
    for t in range(x.shape[1]):
        r = torch.sigmoid(x[:, t] @ W_r + h @ U_r + b_r)
        z = torch.sigmoid(x[:, t] @ W_z + h @ U_z + b_z)
        n = torch.tanh(x[:, t] @ W_n + (r * h) @ U_n + b_n + bn)
        h = z * h + (1 - z) * n
        outputs.append(h)
    return torch.stack(outputs, dim=1)


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 4),
    time=st.integers(1, 6),
    n_in=st.integers(1, 5),
    hidden=st.integers(1, 5),
)
def test_the_reset_before_the_product_is_the_published_one(
    batch: int, time: int, n_in: int, hidden: int
) -> None:
    layer = BEFORE.make(n_in, hidden)
    x, state = drawn(layer, batch, time)
    dh = np.random.default_rng(1).standard_normal((batch, time, hidden))
    h, cache = layer.forward(x, state)
    dx, dstate, gradients = layer.backward_with_state(dh, None, cache)
    theirs, their_gradients = autograd(published, dh, x, state, *layer.parameters.values())
    assert_same(h, theirs)
    for ours, their in zip((dx, dstate, *gradients.values()), their_gradients, strict=True):
        assert_same(ours, their)


def test_an_open_update_gate_keeps_the_old_and_a_closed_one_takes_the_new() -> None:
    cell = GRUCell(2, 3).initialize(0)
    state = np.array([[0.5, -0.25, 0.75]])
    cell.b[3:6] = 100
    assert_same(cell.forward(np.ones((1, 2)), state)[0], state)
    cell.b[3:6] = -100
    cell.b[:3] = -100  # and a closed reset gate lets the new know nothing of the old
    cell.b[6:] = 0.5
    assert_same(
        cell.forward(np.ones((1, 2)), state)[0], np.tanh(np.ones((1, 2)) @ cell.Wx[:, 6:] + 0.5)
    )


@pytest.mark.parametrize(("reset", "same"), [("after", False), ("before", True)])
def test_after_the_product_the_two_biases_of_n_are_not_one(reset: Any, same: bool) -> None:
    rng = np.random.default_rng(0)
    layer = GRU(2, 3, reset=reset).initialize(rng)
    h, cache = layer.forward(rng.standard_normal((2, 4, 2)))
    _, gradients = layer.backward(np.ones_like(h), cache)
    assert np.allclose(gradients["bn"], gradients["b"][6:]) == same


def test_the_variants_differ_and_are_a_setting() -> None:
    after, before = GRU(2, 3).initialize(0), GRU(2, 3, reset="before").initialize(0)
    x = np.random.default_rng(0).standard_normal((2, 4, 2))
    np.testing.assert_array_equal(after.Wh, before.Wh)
    assert np.abs(after.forward(x)[0] - before.forward(x)[0]).max() > 1e-3
    assert after.settings == {"reset_after": True}
    assert before.settings == {"reset_after": False}
    with pytest.raises(InputError) as error:
        GRU(2, 3, reset="behind")  # type: ignore[arg-type]
    assert str(error.value) == 'GRU: reset is "after" or "before", found \'behind\''
