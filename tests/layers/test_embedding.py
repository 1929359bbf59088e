from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Layer, Sequential
from byhand.layers.embedding import Embedding
from byhand.layers.one_hot import OneHot
from byhand.layers.rnn import RNN

from .peer import assert_same

BOTH = [Embedding(5, 3, name="words").initialize(0), OneHot(5, name="words")]


def test_repeated_ids_add_their_gradients_up() -> None:
    layer = Embedding(4, 2)
    layer.E = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    y, cache = layer.forward(np.array([[3, 1, 3], [1, 3, 0]]))
    assert y.tolist() == [[[6, 7], [2, 3], [6, 7]], [[2, 3], [6, 7], [0, 1]]]
    dy = np.array([[[1.0, 0], [10, 0], [100, 0]], [[0, 1], [0, 10], [0, 100]]])
    dids, gradients = layer.backward(dy, cache)
    assert gradients["E"].tolist() == [[0, 100], [10, 1], [0, 0], [101, 10]]
    assert dids.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("layer", BOTH, ids=lambda layer: type(layer).__name__)
def test_padding_is_a_row_of_zeros_and_has_no_gradient(layer: Layer) -> None:
    ids = np.array([[4, -1]])
    y, cache = layer.forward(ids)
    assert y[0, 0].any()
    assert not y[0, 1].any()
    _, gradients = layer.backward(np.full_like(y, np.nan), cache)
    for dE in gradients.values():
        assert np.isnan(dE[4]).all()
        assert not dE[:4].any()


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 5),
    time=st.integers(1, 9),
    vocabulary=st.integers(1, 7),
    features=st.integers(1, 5),
)
def test_outputs_and_gradients_are_pytorchs(
    batch: int, time: int, vocabulary: int, features: int
) -> None:
    rng = np.random.default_rng([batch, time, vocabulary])
    layer = Embedding(vocabulary, features).initialize(rng)
    ids = rng.integers(vocabulary, size=(batch, time))
    dy = rng.standard_normal((batch, time, features))
    y, cache = layer.forward(ids)
    dids, gradients = layer.backward(dy, cache)
    E = torch.tensor(layer.E, requires_grad=True)
    theirs = torch.nn.functional.embedding(torch.tensor(ids), E)
    theirs.backward(torch.tensor(dy))
    assert_same(y, theirs.detach())
    assert_same(gradients["E"], E.grad)
    assert_same(dids, np.zeros((batch, time)))
    measured = numerical_gradient(lambda: float((dy * layer.forward(ids)[0]).sum()), layer.E)
    assert relative_error(gradients["E"], measured) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_before_a_recurrent_layer_it_is_one_hot_rows_times_its_table(dtype: Any) -> None:
    ids = np.random.default_rng(0).integers(6, size=(3, 5))
    embedded = Sequential(Embedding(6, 2), RNN(2, 4)).initialize(0, dtype)
    direct = Sequential(OneHot(6), RNN(6, 4)).initialize(0, dtype)
    E, Wx, Wh, b = embedded.parameters.values()
    direct.set_parameters({"rnn1.Wx": E @ Wx, "rnn1.Wh": Wh, "rnn1.b": b})
    h, caches = embedded.forward(ids)
    same, _ = direct.forward(ids)
    assert h.dtype == same.dtype == dtype
    np.testing.assert_allclose(h, same, rtol=1e-5, atol=1e-6)
    dids, gradients = embedded.backward(h, caches)
    assert dids.shape == ids.shape
    assert {g.dtype for g in (dids, *gradients.values())} == {np.dtype(dtype)}
    assert embedded.output_shape((5,)) == direct.output_shape((5,)) == (5, 4)


def test_one_hot_rows() -> None:
    layer = OneHot(3)
    y, cache = layer.forward(np.array([[2, 0]]))
    assert y.tolist() == [[[0, 0, 1], [1, 0, 0]]]
    dids, gradients = layer.backward(np.ones_like(y), cache)
    assert dids.tolist() == [[0, 0]]
    assert gradients == {}


@pytest.mark.parametrize("layer", BOTH, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize(
    ("ids", "kind", "text"),
    [
        (
            np.array([[0, 4, -1], [4, 5, -2]]),
            InputError,
            "ids[1, 1] is 5, expected 0 to 4 for vocabulary = 5, or -1 for padding ({equation})",
        ),
        (
            np.array([[0, -2]]),
            InputError,
            "ids[0, 1] is -2, expected 0 to 4 for vocabulary = 5, or -1 for padding ({equation})",
        ),
        (
            np.array([[0.0, 1.0]]),
            DTypeError,
            "ids is float64, expected an array of integers ({equation}); "
            "convert it with np.asarray(ids, dtype=np.int64)",
        ),
        (
            [[0, 1]],
            DTypeError,
            "ids is a list, expected an array of integers ({equation}); "
            "convert it with np.asarray(ids, dtype=np.int64)",
        ),
        (
            np.array([0, 1]),
            ShapeError,
            "ids has shape (2,), expected the axes ids[batch, time] ({equation}); "
            "for a batch of one write ids[None]",
        ),
        (
            np.zeros((1, 2, 3), int),
            ShapeError,
            "ids has shape (1, 2, 3), expected the axes ids[batch, time] ({equation})",
        ),
    ],
)
def test_ids_that_do_not_fit(layer: Layer, ids: Any, kind: type[InputError], text: str) -> None:
    with pytest.raises(kind) as error:
        layer.forward(ids)
    assert str(error.value) == f"{layer}: {text.format(equation=layer.equation)}"


@pytest.mark.parametrize("layer", BOTH, ids=lambda layer: type(layer).__name__)
def test_a_gradient_of_the_wrong_shape(layer: Layer) -> None:
    y, cache = layer.forward(np.array([[0, 1, 2]]))
    with pytest.raises(ShapeError) as error:
        layer.backward(y[:, :2], cache)
    assert str(error.value) == (
        f"{layer}: dy has [batch, time] = (1, 2), ids has shape (1, 3) ({layer.equation})"
    )


def test_arguments_that_make_no_layer() -> None:
    with pytest.raises(InputError) as error:
        Embedding(0, 3)
    assert str(error.value) == (
        "Embedding: sizes are at least 1, found vocabulary = 0, features = 3"
    )
    with pytest.raises(InputError) as error:
        OneHot(0)
    assert str(error.value) == "OneHot: vocabulary is at least 1, found 0"


def test_the_table_starts_as_standard_normal() -> None:
    E = Embedding(100, 200).initialize(0).E
    assert E.std() == pytest.approx(1, rel=0.02)
