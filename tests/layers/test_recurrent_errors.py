"""What recurrent layers and their cells refuse, and how they say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers import Dense, Sequential
from byhand.layers.recurrent import Cell

from .recurrent import KINDS, Kind

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def refused(kind: Kind, call: Any, name: str = "memory") -> str:
    """What the layer says against the call, without its name and its equation."""
    layer = kind.layer(3, 4, name=name, **kind.options).initialize(0)
    with pytest.raises(InputError) as error:
        call(layer)
    text = str(error.value)
    start = f'{kind.layer.__name__} "{name}": '
    assert text.startswith(start)
    assert f" ({layer.equation})" in text
    return text.removeprefix(start).replace(f" ({layer.equation})", "")


def square(kind: Kind) -> str:
    """The first parameter with the axis hidden."""
    return "Wx" if kind.name == "RNN" else "Wh"


@every_kind
@pytest.mark.parametrize(
    ("x", "more", "text"),
    [
        (np.ones((2, 0, 3)), {}, "x has time = 0, expected at least one step"),
        (np.ones((2, 5, 7)), {}, "x has in = 7, Wx expects in = 3"),
        (
            np.ones((5, 3)),
            {},
            "x has shape (5, 3), expected the axes x[batch, time, in]; "
            "for a batch of one write x[None]",
        ),
        (
            np.ones((2, 5, 3)),
            {"mask": np.ones((5, 2))},
            "mask has shape (5, 2), x has [batch, time] = (2, 5)",
        ),
        (
            np.ones((2, 5, 3)),
            {"mask": np.array([[1, 1, 1, 0, 0], [1, 1, 2, 1, 1]])},
            "mask is 1 where a step is real and 0 where it is padding, found 2",
        ),
        (
            np.ones((2, 5, 3), np.float32),
            {},
            "x is float32, Wx is float64; convert it with x.astype(np.float64)",
        ),
    ],
)
def test_an_input_that_does_not_fit(kind: Kind, x: Any, more: Any, text: str) -> None:
    assert refused(kind, lambda layer: layer.forward(x, **more)) == text


@every_kind
def test_a_state_that_does_not_fit(kind: Kind) -> None:
    x = np.ones((2, 5, 3))
    pair = (2,) if kind.name == "LSTM" else ()
    axes = "[h and c, batch, hidden]" if pair else "[batch, hidden]"
    for shape, text in [
        ((*pair, 3, 4), "state has batch = 3, x has batch = 2"),
        ((*pair, 2, 5), f"state has hidden = 5, {square(kind)} expects hidden = 4"),
        (
            (*pair, 2),
            f"state has shape {(*pair, 2)}, expected {(*pair, 2, 4)} = {axes}",
        ),
    ]:
        state = np.ones(shape)
        assert refused(kind, lambda layer, s=state: layer.forward(x, s)) == text
        backward = refused(
            kind,
            lambda layer, s=state: layer.backward_with_state(
                np.ones((2, 5, 4)), s, layer.forward(x)[1]
            ),
        )
        assert backward == f"d{text}"
    with pytest.raises(DTypeError) as error:
        kind.layer(3, 4, **kind.options).initialize(0).forward(x, np.ones((*pair, 2, 4), "f4"))
    assert "state is float32, Wx is float64" in str(error.value)


@every_kind
@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((2, 4, 4), "dh has time = 4, x has time = 5"),
        ((1, 5, 4), "dh has batch = 1, x has batch = 2"),
        ((2, 5, 3), "dh has hidden = 3, {square} expects hidden = 4"),
        (
            (2, 4),
            "dh has shape (2, 4), expected the axes dh[batch, time, hidden]; "
            "for a batch of one write dh[None]",
        ),
    ],
)
def test_a_gradient_of_the_wrong_shape(kind: Kind, shape: Any, text: str) -> None:
    def call(layer: Any) -> None:
        layer.backward(np.ones(shape), layer.forward(np.ones((2, 5, 3)))[1])

    assert refused(kind, call) == text.format(square=square(kind))


@every_kind
def test_a_cells_arguments_that_do_not_fit(kind: Kind) -> None:
    cell: Cell = kind.cell(3, 4, **kind.options).initialize(0)
    state = cell.zero_state(2)
    for x, of, text in [
        (np.ones((2, 5)), state, "x has in = 5, Wx expects in = 3"),
        (np.ones((3, 3)), state, "state has batch = 2, x has batch = 3"),
        (
            np.ones((2, 5, 3)),
            state,
            "x has shape (2, 5, 3), expected the axes x[batch, in]",
        ),
    ]:
        with pytest.raises(ShapeError) as error:
            cell.forward(x, of)
        assert str(error.value).startswith(f"{kind.cell.__name__}: {text} ({cell.equation})")
    _, cache = cell.forward(np.ones((2, 3)), state)
    with pytest.raises(ShapeError) as error:
        cell.backward(state[..., :1, :], cache)
    assert str(error.value) == (
        f"{kind.cell.__name__}: dstate has batch = 1, x has batch = 2 ({cell.equation})"
    )


@every_kind
def test_sizes_are_at_least_one_and_parameters_are_drawn_first(kind: Kind) -> None:
    with pytest.raises(InputError) as error:
        kind.layer(3, 0)
    assert str(error.value) == (
        f"{kind.layer.__name__}: sizes are at least 1, found in = 3, hidden = 0"
    )
    with pytest.raises(InputError) as error:
        kind.layer(3, 4).forward(np.ones((2, 5, 3)))
    assert str(error.value) == (
        f"{kind.layer.__name__} has no Wx yet: draw the parameters first with initialize(seed)"
    )
    layer = kind.layer(3, 4, name="memory")
    with pytest.raises(ShapeError) as error:
        Sequential(layer, Dense(4, 2)).output_shape((3,))
    assert str(error.value) == (
        f'{kind.layer.__name__} "memory": an example of x has shape (3,), expected (time, in) with '
        f"in = 3 ({layer.equation})"
    )
