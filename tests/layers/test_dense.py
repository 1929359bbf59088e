from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.initializers import He, StandardNormal
from byhand.layers import Dense

from .peer import assert_same, autograd


def hidden(n_in: int = 784, n_out: int = 100) -> Dense:
    return Dense(n_in, n_out, name="hidden").initialize(np.random.default_rng(0))


def test_a_computation_done_by_hand() -> None:
    layer = Dense(2, 3)
    layer.W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    layer.b = np.array([10.0, 20.0, 30.0])
    z, cache = layer.forward(np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert z.tolist() == [[15, 27, 39], [12, 24, 36]]
    dx, gradients = layer.backward(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]), cache)
    assert dx.tolist() == [[1, 4], [8, 17]]
    assert gradients["W"].tolist() == [[1, 2, 4], [1, 0, 0]]
    assert gradients["b"].tolist() == [1, 1, 2]


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 9), n_in=st.integers(1, 9), n_out=st.integers(1, 9))
def test_outputs_and_gradients_are_pytorchs(batch: int, n_in: int, n_out: int) -> None:
    rng = np.random.default_rng([batch, n_in, n_out])
    layer = Dense(n_in, n_out, weights=StandardNormal(), biases=StandardNormal()).initialize(rng)
    x, dz = rng.standard_normal((batch, n_in)), rng.standard_normal((batch, n_out))
    z, cache = layer.forward(x)
    dx, gradients = layer.backward(dz, cache)
    theirs, (their_dx, their_dW, their_db) = autograd(
        lambda x, W, b: x @ W + b, dz, x, layer.W, layer.b
    )
    assert_same(z, theirs)
    assert_same(dx, their_dx)
    assert_same(gradients["W"], their_dW)
    assert_same(gradients["b"], their_db)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((2, 100), 'Dense "hidden": x has in = 100, W expects in = 784 (z = x W + b)'),
        (
            (2, 5, 100),
            'Dense "hidden": x has in = 100, W expects in = 784 (z = x W + b); '
            "put Flatten() before it",
        ),
        (
            (784,),
            'Dense "hidden": x has shape (784,), expected the axes x[batch, ..., in] '
            "(z = x W + b); for a batch of one write x[None]",
        ),
        (
            (2, 28, 28),
            'Dense "hidden": x has in = 28, W expects in = 784 (z = x W + b); '
            "put Flatten() before it",
        ),
        (
            (),
            'Dense "hidden": x has shape (), expected the axes x[batch, ..., in] (z = x W + b)',
        ),
    ],
)
def test_an_input_of_the_wrong_shape(shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ShapeError) as error:
        hidden().forward(np.ones(shape))
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((4, 2), 'Dense "hidden": dz has batch = 4, x has batch = 5 (z = x W + b)'),
        ((5, 3), 'Dense "hidden": dz has out = 3, W expects out = 2 (z = x W + b)'),
        (
            (2,),
            'Dense "hidden": dz has shape (2,), expected the axes dz[batch, ..., out] '
            "(z = x W + b); for a batch of one write dz[None]",
        ),
        (
            (5, 2, 1),
            'Dense "hidden": dz has ... = (2,), x has ... = () (z = x W + b)',
        ),
    ],
)
def test_a_gradient_of_the_wrong_shape(shape: tuple[int, ...], text: str) -> None:
    layer = hidden(3, 2)
    _, cache = layer.forward(np.ones((5, 3)))
    with pytest.raises(ShapeError) as error:
        layer.backward(np.ones(shape), cache)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("own", "given_dtype"),
    [("float64", "float32"), ("float32", "float64"), ("float64", "int64"), ("float32", "uint8")],
)
def test_an_input_of_another_dtype(own: str, given_dtype: str) -> None:
    layer = Dense(3, 2, name="hidden").initialize(np.random.default_rng(0), own)
    with pytest.raises(DTypeError) as error:
        layer.forward(np.ones((5, 3), given_dtype))
    assert str(error.value) == (
        f'Dense "hidden": x is {given_dtype}, W is {own} (z = x W + b); '
        f"convert it with x.astype(np.{own})"
    )


def test_sizes_are_at_least_one() -> None:
    with pytest.raises(InputError) as error:
        Dense(0, 10, name="hidden")
    assert str(error.value) == 'Dense "hidden": sizes are at least 1, found in = 0, out = 10'
    with pytest.raises(InputError) as error:
        Dense(784, -1)
    assert str(error.value) == "Dense: sizes are at least 1, found in = 784, out = -1"


def test_the_output_shape_of_an_example_that_does_not_fit() -> None:
    assert hidden().output_shape((784,)) == (100,)
    with pytest.raises(ShapeError) as error:
        hidden().output_shape((1, 28, 28))
    assert str(error.value) == (
        'Dense "hidden": an example of x has shape (1, 28, 28), W expects in = 784 '
        "(z = x W + b); put Flatten() before it"
    )
    with pytest.raises(ShapeError) as error:
        hidden().output_shape((100,))
    assert str(error.value) == (
        'Dense "hidden": an example of x has shape (100,), W expects in = 784 (z = x W + b)'
    )


def test_weights_are_drawn_by_fan_in_and_biases_are_zero_unless_asked_otherwise() -> None:
    layer = hidden(400, 300)
    assert layer.W.shape == (400, 300)
    assert layer.W.std() == pytest.approx(1 / 20, rel=0.02)
    assert layer.b.tolist() == [0.0] * 300
    chosen = Dense(400, 300, weights=He(), biases=StandardNormal())
    chosen.initialize(np.random.default_rng(0))
    assert chosen.W.std() == pytest.approx(np.sqrt(2) / 20, rel=0.02)
    assert chosen.b.std() == pytest.approx(1, rel=0.2)
    assert Dense.weights == ("W",)
